"""The command `palaver`: one typer application; ops/verbs.py names its verbs, each a file of its own."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import storage.engine  # first: puts the right SQLite in place
from chat.settings import BadSetting
from chat.version import VERSION
from ops.restoring.refusal import Misused
from ops.verbs import Verbs

EXIT_USAGE = 2
PRIVATE = 0o077  # whatever a command makes belongs to its owner alone: databases, locks, the secret

app = typer.Typer(
    name="palaver",
    cls=Verbs,
    help="A self-hosted chat backend: every message exactly once, in order, recoverable. "
    "Settings come from the environment as PALAVER_…; docs/reference/settings.md lists them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    """Run the command; a setting that cannot be used ends it with a sentence, not with a traceback."""
    try:
        os.umask(PRIVATE)
        app()
    except (BadSetting, Misused) as error:
        print(f"palaver: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)


def _version(asked: bool) -> None:
    if asked:
        print(f"palaver {VERSION}, SQLite {storage.engine.sqlite3.sqlite_version}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the versions and exit.")
    ] = False,
) -> None:
    """Take the options that stand before any command."""


if __name__ == "__main__":
    main()
