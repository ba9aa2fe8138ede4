"""The parts of reference pages that are made from the code, between two marks in a page written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping

COMMAND = ".venv/bin/python -m tests.docs.write"

_PART = re.compile(
    r"^<!-- from the code: (?P<name>[\w-]+) -->\n.*?^<!-- end of \1 -->$", re.MULTILINE | re.DOTALL
)


def filled(text: str, parts: Mapping[str, str]) -> str:
    """Return a page with today's parts in place of those that stand there; raises KeyError for an unknown one."""
    return _PART.sub(lambda mark: _part(mark["name"], parts[mark["name"]]), text)


def names(text: str) -> list[str]:
    """Return the names of the parts that a page has, in order."""
    return [mark["name"] for mark in _PART.finditer(text)]


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Write a table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _part(name: str, text: str) -> str:
    return f"<!-- from the code: {name} -->\n\n{text.strip()}\n\n<!-- end of {name} -->"


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
