"""The pages of the documentation as the tests read them: their text, their headings, their fenced blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DOCS = PROJECT / "docs"
REFERENCE = DOCS / "reference"

RUNS = "<!-- runs -->"
"""Stands before a block that a test runs as it is."""

_BLOCK = re.compile(
    r"^(?P<runs><!-- runs -->\n+)?```(?P<language>[\w-]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^#{1,6} (?P<text>.+)$", re.MULTILINE)
_ANCHOR = re.compile(r'<a id="(?P<name>[^"]+)">')


@dataclass(frozen=True)
class Block:
    """A fenced block; `runs` says that a test runs it."""

    language: str
    text: str
    runs: bool


def pages() -> list[Path]:
    """Return every page that a reader may open."""
    return [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def name_of(page: Path) -> str:
    """Return where a page is, from the project's folder."""
    return page.relative_to(PROJECT).as_posix()


def read(page: Path) -> str:
    """Return a page's text."""
    return page.read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a text, in order."""
    found = _BLOCK.finditer(text)
    return [Block(match["language"], match["text"], match["runs"] is not None) for match in found]


def prose(text: str) -> str:
    """Return a text without its fenced blocks."""
    return _BLOCK.sub("", text)


def anchors(text: str) -> set[str]:
    """Return what a link may point to in a text: its headings as GitHub spells them, and its own anchors."""
    headings = {_slug(match["text"]) for match in _HEADING.finditer(prose(text))}
    return headings | {match["name"] for match in _ANCHOR.finditer(text)}


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower().replace("`", "")).replace(" ", "-")
