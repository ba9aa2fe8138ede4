"""Loads the named statements of the .sql files beside it: one file per noun, `-- name:` before each statement."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import TextClause

HERE: Final = Path(__file__).parent
_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)[ \t]*$", re.MULTILINE)


@cache
def load(noun: str, dialect: str = "sqlite") -> MappingProxyType[str, str]:
    """Return the statements of `noun`.sql by name; those in `dialect`/`noun`.sql take their place where both exist.

    Raises FileNotFoundError for an unknown noun and ValueError for a file that names a statement twice.
    """
    statements = _parse(HERE / f"{noun}.sql")
    override = HERE / dialect / f"{noun}.sql"
    if override.exists():
        statements |= _parse(override)
    return MappingProxyType(statements)


@cache
def clause(noun: str, name: str, dialect: str = "sqlite") -> TextClause:
    """Return one statement as SQLAlchemy text, made once."""
    from sqlalchemy import text  # here: who only loads statements is spared the rest of it

    return text(load(noun, dialect)[name])


def nouns() -> list[str]:
    """Name every .sql file there is."""
    return sorted(path.stem for path in HERE.glob("*.sql"))


def _parse(path: Path) -> dict[str, str]:
    parts = _NAME.split(path.read_text(encoding="utf-8"))
    names, bodies = parts[1::2], parts[2::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{path.name} names a statement twice")
    return {name: _without_comments(body) for name, body in zip(names, bodies, strict=True)}


def _without_comments(body: str) -> str:
    lines = [line for line in body.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(lines).strip().removesuffix(";")
