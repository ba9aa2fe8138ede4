"""Writes the page docs/reference/settings.md from chat/settings.py, to standard output."""

from __future__ import annotations

import inspect
import re
from typing import Literal, get_args, get_origin

import msgspec

from chat.settings import PREFIX, Settings, described, knobs, written
from chat.settings_replication import ReplicationSettings

COMMAND = ".venv/bin/python -m tests.docs.settings_reference > docs/reference/settings.md"
KIB, MIB = 1024, 1024 * 1024

INTRODUCTION = """\
# Settings

Everything that can be set, with its default. A setting is an environment variable, read once at the start:

```sh
PALAVER_PORT=9000 PALAVER_SYNCHRONOUS=normal palaver serve
```

A value that cannot be used, or a variable that begins with `PALAVER_` and is none of these, stops the start
with a message that names it. Yes-or-no settings take `yes`, `true`, `on`, `1` and `no`, `false`, `off`, `0`.
Times are in seconds (`_s`) or milliseconds (`_ms`), sizes in bytes unless the unit says otherwise.

`PALAVER_TOKEN` is no setting of the server: `palaver tail` takes its token from there.
"""

_HEADING = re.compile(r"^    # (?P<heading>[A-Z].*)$|^    (?P<field>[a-z_]+): Annotated\[")


def page() -> str:
    """Return the whole page."""
    return "\n".join([INTRODUCTION, *(_section(heading, names) for heading, names in groups().items())])


def groups() -> dict[str, list[str]]:
    """Return the settings' names by the comments that head them in the source."""
    found: dict[str, list[str]] = {}
    sources = (inspect.getsource(source) for source in (Settings, ReplicationSettings))
    for line in "".join(sources).splitlines():
        match = _HEADING.match(line)
        if match and match["heading"]:
            found[match["heading"]] = []
        elif match:
            next(reversed(found.values())).append(match["field"])
    return found


def _section(heading: str, names: list[str]) -> str:
    rows = "\n".join(_row(name) for name in names)
    return f"## {heading}\n\n| Setting | Default | Unit | What it is |\n| --- | --- | --- | --- |\n{rows}\n"


def _row(name: str) -> str:
    plain, meta = described(knobs()[name])
    unit = str((meta.extra or {})["unit"])
    text = " ".join(filter(None, [meta.description, _allowed(plain, meta)]))
    return f"| `{PREFIX}{name.upper()}` | {_default(name, unit)} | {unit} | {text} |"


def _default(name: str, unit: str) -> str:
    value = getattr(Settings(), name)
    if value == "":
        return "empty"
    return f"`{written(value)}`{_in_words(value)}" if unit == "bytes" else f"`{written(value)}`"


def _in_words(size: int) -> str:
    for name, factor in (("MiB", MIB), ("KiB", KIB)):
        if size >= factor and size % factor == 0:
            return f" ({size // factor} {name})"
    return ""


def _allowed(plain: object, meta: msgspec.Meta) -> str:
    if get_origin(plain) is Literal:
        return f"One of {', '.join(f'`{choice}`' for choice in get_args(plain))}."
    if meta.ge is None:
        return ""
    return f"At least {meta.ge}, at most {meta.le}."


if __name__ == "__main__":
    print(page(), end="")
