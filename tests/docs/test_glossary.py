"""The glossary has the domain's nouns, and the code has the glossary's words."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.pages import DOCS, PROJECT, read

NOUNS = ("chat/models.py", "chat/store.py", "chat/timeline.py")
PROGRAM = ("asgi.py", "chat/**/*.py", "storage/**/*.py", "sql/**/*", "ops/**/*.py", "migrations/**/*.sql")

ENTRY = re.compile(
    r"^- (?P<terms>\*\*.+?)(?: \((?P<names>`[^)]*`)\))?: (?P<text>.+?)(?=^- |^#|\Z)", re.M | re.S
)
GLOSSARY = read(DOCS / "glossary.md")
ENTRIES = list(ENTRY.finditer(GLOSSARY))


def names(entry: re.Match[str]) -> list[str]:
    """Return how an entry is spelt in the code."""
    return re.findall(r"`([^`]+)`", entry["names"] or "")


def classes(file: str) -> list[str]:
    """Return the public classes that a module defines, and the unions that it names."""
    tree = ast.parse((PROJECT / file).read_text(encoding="utf-8"))
    return [
        node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]


@pytest.mark.parametrize("file", NOUNS)
def test_every_noun_of_the_domain_has_an_entry(file: str) -> None:
    defined = {name for entry in ENTRIES for name in names(entry)}
    assert [noun for noun in classes(file) if noun not in defined] == []


def test_every_entry_says_how_it_is_spelt_in_the_code_and_is_there() -> None:
    files = [path for pattern in PROGRAM for path in PROJECT.glob(pattern) if path.suffix in {".py", ".sql"}]
    words = set(re.findall(r"\w+", "\n".join(path.read_text(encoding="utf-8") for path in files)))
    assert [entry["terms"] for entry in ENTRIES if not names(entry)] == []
    assert [name for entry in ENTRIES for name in names(entry) if name not in words] == []


def test_no_term_is_explained_twice() -> None:
    terms = [term for entry in ENTRIES for term in re.findall(r"\*\*(.+?)\*\*", entry["terms"])]
    assert len(terms) == len(set(terms))


def test_every_line_of_a_list_is_read_as_an_entry() -> None:
    assert len(ENTRIES) == len(re.findall(r"^- ", GLOSSARY, re.MULTILINE))
