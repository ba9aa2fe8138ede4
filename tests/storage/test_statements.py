"""Every named statement runs by an index, and the tables of SQLAlchemy are those of the migrations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sql
from chat.commands import ListConversations
from storage import migrate
from storage.engine import sqlite3
from storage.listing import listing
from storage.tables import metadata

# A generation is one row per opening of the file; who reads all of them reads a handful.
SMALL = {"generations"}
WALKS_ALL = {("generations", "all")}
# Asked once for an opening of the file; the statements say what that costs.
ASKED_AT_STARTS = {("noted", "events"), ("ledger", "since")}
# It needs a second file beside the first; tests/storage/test_archives.py asks it.
ATTACHES = {("archive", "missing")}
# The doctor and the drill look at everything on purpose.
EXAMINES = {"inspect", "compare"}
STATEMENTS = [(noun, name) for noun in sql.nouns() if noun not in EXAMINES for name in sql.load(noun)]
STATEMENTS = [each for each in STATEMENTS if each not in ASKED_AT_STARTS | ATTACHES]
SCAN = re.compile(r"^SCAN (?!.*\b(USING|CONSTANT|VIRTUAL)\b)(?P<table>\w+)")


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An empty, migrated database."""
    opened = sqlite3.connect(tmp_path_factory.mktemp("statements") / "main.db", isolation_level=None)
    migrate.migrate(opened, migrate.shipped())
    yield opened
    opened.close()


def plan(connection: Any, statement: str, values: dict[str, object]) -> list[str]:
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    return [row[3] for row in rows]


def parameters(statement: str) -> dict[str, object]:
    return dict.fromkeys(re.findall(r":([a-z_]+)", statement), 1)


@pytest.mark.parametrize(("noun", "name"), STATEMENTS)
def test_every_named_statement_uses_an_index(connection: Any, noun: str, name: str) -> None:
    statement = sql.load(noun)[name]
    scans = [line for line in plan(connection, statement, parameters(statement)) if SCAN.match(line)]
    if noun in SMALL:
        scans = [line for line in scans if (noun, name) not in WALKS_ALL and "generations" not in line]
    assert not [line for line in scans if not _is_of_a_subquery(line, statement)]


def test_the_listing_uses_an_index_with_every_filter(connection: Any) -> None:
    from sqlalchemy.dialects.sqlite import pysqlite

    query = ListConversations(cursor="1.1", kind="group")
    compiled = listing("alice", query, 20, 1000).compile(
        dialect=pysqlite.dialect(paramstyle="named"), compile_kwargs={"render_postcompile": True}
    )
    lines = plan(connection, str(compiled), dict(compiled.params))
    assert not [
        line for line in lines if SCAN.match(line) and not line.startswith(("SCAN page", "SCAN anon"))
    ]


def test_a_scan_would_be_noticed(connection: Any) -> None:
    lines = plan(connection, "SELECT 1 FROM messages WHERE content = 'x'", {})
    assert any(SCAN.match(line) for line in lines)


def test_the_tables_are_those_of_the_migrations(connection: Any) -> None:
    for table in metadata.sorted_tables:
        there = {
            (row[1], bool(row[3]) or bool(row[5]), bool(row[5]))
            for row in connection.execute(f"PRAGMA table_info({table.name})")
        }
        here = {(column.name, not column.nullable, column.primary_key) for column in table.columns}
        assert _loosen(there) == _loosen(here), table.name


def test_there_is_no_table_that_nobody_described(connection: Any) -> None:
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert there - {"schema_migrations"} == set(metadata.tables)


def test_a_statement_named_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "twice.sql").write_text("-- name: a\nSELECT 1\n-- name: a\nSELECT 2\n")
    with pytest.raises(ValueError, match="twice"):
        sql._parse(tmp_path / "twice.sql")


def _is_of_a_subquery(line: str, statement: str) -> bool:
    """Tell whether a scan walks rows that the statement itself just chose, and no table."""
    match = SCAN.match(line)
    return (
        match is not None
        and match["table"] not in metadata.tables
        and f"FROM {match['table']}" not in statement
    )


def _loosen(columns: set[tuple[str, bool, bool]]) -> set[tuple[str, bool]]:
    return {(name, required) for name, required, _ in columns}
