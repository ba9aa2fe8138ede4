"""What docs/reference/commands.md says of each command, made from the command line itself."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, get_args

import typer.main

from ops.cli import app
from ops.drill import EXIT_FAILED as DRILL_FAILED
from ops.drill import EXIT_INCONCLUSIVE
from ops.migrate import EXIT_FAILED as MIGRATE_FAILED
from ops.migrate import EXIT_PENDING
from ops.replicate import EXIT_FAILED as REPLICATE_FAILED
from ops.restore_parts import EXIT_FAILED as RESTORE_FAILED
from ops.server import EXIT_FAILED, EXIT_FORCED, EXIT_OK
from ops.status import EXIT_NOT_RUNNING as STATUS_NOT_RUNNING
from ops.status import EXIT_UNWELL as STATUS_UNWELL
from ops.tail.ending import ExitCode
from ops.token import EXIT_USAGE
from tests.docs.generated import table

Command = Any
"""A command or an option of it; typer's own classes for them are private to it."""

Exits = dict[int, str]

KINDS = {str: "text", int: "number", float: "number", Path: "path"}
USAGE = "Wrong use: an option, or a `PALAVER_` variable that cannot be used. Standard error says which."
EXITS: dict[str, Exits] = {
    "serve": {
        EXIT_OK: "Stopped as asked, by Ctrl-C or SIGTERM; while it starts too.",
        EXIT_FAILED: "Could not start, or failed while it served; the log says why and what to do.",
        EXIT_USAGE: USAGE,
        EXIT_FORCED: "A second Ctrl-C cut the shutdown short.",
    },
    "migrate": {
        0: "Everything is applied.",
        MIGRATE_FAILED: "Refused: a server has the file, or file and program do not fit; nothing was half done.",
        EXIT_USAGE: USAGE,
        EXIT_PENDING: "With `--status`: something is pending.",
    },
    "replicate": {
        0: "Stopped as asked, by Ctrl-C or SIGTERM.",
        REPLICATE_FAILED: "Refused: another process supervises already, or there is no litestream that can be used.",
        EXIT_USAGE: USAGE,
    },
    "status": {
        0: "Everything is well.",
        STATUS_UNWELL: "Something is not, or the server refused to tell.",
        EXIT_USAGE: USAGE,
        STATUS_NOT_RUNNING: "No server runs there.",
    },
    "token": {0: "The tokens are printed.", EXIT_USAGE: USAGE},
    "tail": {
        ExitCode.DONE: "All is well; Ctrl-C too.",
        1: "An unexpected failure.",
        EXIT_USAGE: USAGE,
        ExitCode.TOKEN: "There is no token, or it is no good, or it has expired.",
        ExitCode.CONVERSATION: "There is no such conversation for this user.",
        ExitCode.STATE: "The state folder, or the output, cannot be used.",
        ExitCode.REFUSED: "The server refused for good, or is no Palaver.",
        ExitCode.REJECTED: "With `--exit-when-sent`: lines were refused; they are kept in the state folder.",
    },
    "snapshots": {
        0: "Everything that was asked for can be restored to some moment.",
        1: "The replica cannot be read, or has no copies of a database; or the picture cannot be written.",
        EXIT_USAGE: USAGE,
    },
    "restore": {
        0: "Restored; with `--dry-run`, it could be.",
        1: "Refused, or not wanted; nothing that is served was touched. Standard error says why and what to do.",
        EXIT_USAGE: USAGE,
    },
    "restore conversation": {
        0: "It is done, or nothing had to be; with `--dry-run`: it can be done.",
        RESTORE_FAILED: "Refused, with the reason and what to do. What came back by then stays: ask again.",
        EXIT_USAGE: USAGE,
    },
    "restore persona": {
        0: "Restored; with `--dry-run`, it could be.",
        RESTORE_FAILED: "Refused, or not wanted; nothing was touched. Standard error says why and what to do.",
        EXIT_USAGE: USAGE,
    },
    "doctor": {
        0: "Nothing has to be mended; there may be warnings.",
        1: "Errors were found.",
        EXIT_USAGE: USAGE,
    },
    "backup": {
        0: "Done, and what was written or read is sound.",
        1: "Nothing was made, or what was verified is damaged; standard error says why and what to do.",
        EXIT_USAGE: USAGE,
    },
    "drill": {
        0: "Everything was restored and is right.",
        DRILL_FAILED: "Something on the replica is wrong or missing: do not rely on it.",
        EXIT_USAGE: USAGE,
        EXIT_INCONCLUSIVE: "Nothing was proven: the replica could not be asked, or nobody copies just now.",
    },
    "vacuum": {
        0: "Done.",
        1: "Refused, or a file failed; it is as it was, and standard error says why and what to do.",
        EXIT_USAGE: USAGE,
    },
}


def parts() -> dict[str, str]:
    """Return the page's parts by name."""
    return {"commands": "\n\n".join(_command(name, command) for name, command in commands().items())}


def commands() -> dict[str, Command]:
    """Return every command by name; one in a group is called by both names."""
    group: Any = typer.main.get_command(app)
    found: dict[str, Command] = {}
    for name in group.list_commands(None):
        command: Any = group.get_command(None, name)
        below = getattr(command, "commands", {})
        found |= {name: command, **{f"{name} {verb}": each for verb, each in below.items()}}
    return found


def options(command: Command) -> set[str]:
    """Return the options that a command takes."""
    return {option for parameter in command.params for option in parameter.opts} | {"--help"}


def _command(name: str, command: Command) -> str:
    arguments = [f"<{each.name}>" for each in command.params if _is_argument(each)]
    usage = " ".join(["palaver", name, *arguments, "[options]" * bool(command.params)])
    lines = [f"## `palaver {name}`", f"```text\n{usage.strip()}\n```", _about(command)]
    if command.params:
        rows = [_option(each) for each in command.params]
        lines.append(table(["Option", "Value", "Default", "What it does"], rows))
    exits = [[str(int(code)), meaning] for code, meaning in EXITS[name].items()]
    lines.append(table(["Exit code", "Meaning"], exits))
    return "\n\n".join(lines)


def _about(command: Command) -> str:
    # The exit codes have a table here, and where lines break is the terminal's affair.
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    told = [re.sub(r"\s+", " ", each) for each in paragraphs if not each.startswith("Exit codes")]
    return "\n\n".join(told)


def _option(parameter: Command) -> list[str]:
    names = ", ".join(f"`{option}`" for option in parameter.opts)
    told = str(getattr(parameter, "help", None) or "")
    variable = getattr(parameter, "envvar", None)
    return [
        f"`<{parameter.name}>`" if _is_argument(parameter) else names,
        "" if getattr(parameter, "is_flag", False) else _type(parameter),
        _default(parameter),
        told + (f" Taken from `{variable}` if absent." if variable else ""),
    ]


def _type(parameter: Command) -> str:
    annotation = parameter.type_descriptor.annotation
    kind = KINDS[next(iter(get_args(annotation)), annotation)]
    if parameter.min is not None:
        kind = f"{kind} from {parameter.min}"
    if parameter.max is not None:
        kind = f"{kind} to {parameter.max}"
    return f"{kind}, several times" if parameter.multiple else kind


def _default(parameter: Command) -> str:
    if parameter.required:
        return "needed"
    if getattr(parameter, "is_flag", False) or parameter.default in (None, (), ""):
        return ""
    return f"`{parameter.default}`"


def _is_argument(parameter: Command) -> bool:
    return not str(parameter.opts[0]).startswith("-")
