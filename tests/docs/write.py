"""Writes the parts of the reference pages anew that are made from the code; what is written by hand stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.docs import commands_reference, errors_reference, rest_reference, socket_reference
from tests.docs.generated import filled
from tests.docs.pages import REFERENCE, read

Parts = Callable[[], Mapping[str, str]]

MADE: Mapping[Path, Parts] = {
    REFERENCE / "commands.md": commands_reference.parts,
    REFERENCE / "errors.md": errors_reference.parts,
    REFERENCE / "rest.md": rest_reference.parts,
    REFERENCE / "socket.md": socket_reference.parts,
}


def write() -> None:
    """Write every page."""
    for page, parts in MADE.items():
        page.write_text(filled(read(page), parts()), encoding="utf-8")


if __name__ == "__main__":
    write()
