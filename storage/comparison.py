"""Holds a restored copy against the live database: whatever both have must be the same, byte by byte."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

import sql
from chat.ids import conversation_id_of
from storage.engine import sqlite3

if TYPE_CHECKING:
    from sqlite3 import Connection

CONVERSATIONS_PER_READ = 200
EXAMPLES_MAX = 5
TABLES = ("conversations", "messages", "changes")


class ComparisonFailed(Exception):
    """One of the two could not be read; the message is SQLite's reason."""


class Stand(msgspec.Struct, frozen=True):
    """How far a file came: how many conversations and events there ever were, and its last heartbeat (UTC; 0: none)."""

    happenings: int = 0
    heartbeat_ms: int = 0


class Compared(msgspec.Struct, frozen=True):
    """What was found: how many events were held against each other, and a few of those that differ.

    `diverged`: one of the two was put back to an earlier moment, so that they need not be the same. Then nothing was
    compared.
    """

    events: int = 0
    differences: tuple[str, ...] = ()
    diverged: bool = False


def stand_of(database: Path, *, served: bool) -> Stand:
    """Tell how far a file came; `served`: a server may be using it. Raises ComparisonFailed."""
    with closing(_opened(database, "mode=ro" if served else "mode=ro&immutable=1")) as connection:
        return Stand(*_rows(connection, "stand")[0])


def compare(copy: Path, live: Path) -> Compared:
    """Compare a copy that nobody uses with the live database of the same name; raises ComparisonFailed.

    A server may be writing meanwhile: it is read in short transactions.
    """
    with closing(_opened(copy, "mode=ro&immutable=1")) as connection:
        _attach(connection, live)
        if _rows(connection, "diverged")[0][0]:
            return Compared(diverged=True)
        events = 0
        differences: list[str] = []
        for low, high, count in _rows(connection, "ranges", conversations=CONVERSATIONS_PER_READ):
            events += count
            for table in TABLES:
                found = _rows(connection, table, low=low, high=high, limit=EXAMPLES_MAX)
                differences += [
                    f"{table}: {conversation_id_of(live.stem, uuid)} ({seq})" for uuid, seq in found
                ]
            if len(differences) >= EXAMPLES_MAX:
                break
        return Compared(events, tuple(differences[:EXAMPLES_MAX]))


def _opened(database: Path, options: str) -> Connection:
    try:
        connection: Connection = sqlite3.connect(
            f"file:{quote(str(database))}?{options}", uri=True, isolation_level=None
        )
    except sqlite3.Error as error:
        raise ComparisonFailed(f"{database}: {error}") from error
    return connection


def _attach(connection: Connection, live: Path) -> None:
    try:
        connection.execute("ATTACH DATABASE ? AS live", (f"file:{quote(str(live))}?mode=ro",))
    except sqlite3.Error as error:
        raise ComparisonFailed(f"{live}: {error}") from error


def _rows(connection: Connection, name: str, **values: int) -> list[tuple[Any, ...]]:
    given: Mapping[str, int] = values
    try:
        return connection.execute(sql.load("compare")[name], given).fetchall()
    except sqlite3.Error as error:
        raise ComparisonFailed(str(error)) from error
