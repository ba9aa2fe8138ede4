"""Inspection: what a doctor asks of one database file, read-only, beside a server that may be using it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sql
from chat.ids import conversation_id_of
from storage import migrate
from storage.engine import sqlite3
from storage.tuning import Tuning

if TYPE_CHECKING:
    from sqlite3 import Connection

EXAMPLES_MAX = 5
PRAGMAS = (
    *("application_id", "user_version", "journal_mode", "synchronous", "foreign_keys", "busy_timeout"),
    *("temp_store", "mmap_size", "cache_size", "journal_size_limit", "wal_autocheckpoint", "query_only"),
)
INVARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "gaps": "the seqs of a conversation are dense",
        "shared_seqs": "a seq belongs to one message or one change",
        "stray_seqs": "no row stands outside first_seq to last_seq",
        "unexplained_changes": "a changed message names its change",
        "unexplained_titles": "a changed conversation names its change",
        "read_too_far": "nobody has read beyond the newest event",
    }
)
"""The statements of sql/inspect.sql, and what each one proves where it finds nothing."""


class InspectionFailed(Exception):
    """The file could not be read; the message is SQLite's reason."""


class Inspection:
    """A read-only connection, tuned like a server's; use it in a `with` statement.

    Everything raises InspectionFailed where SQLite cannot go on. No transaction lasts from one question to
    the next, so that a running server can go on with its checkpoints.
    """

    def __init__(self, path: Path, tuning: Tuning) -> None:
        self.path = path
        self._connection = _open(path, tuning)

    def __enter__(self) -> Inspection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def pragmas(self) -> dict[str, str]:
        """Return how a server's connection to this file would be set, each value as SQLite says it."""
        return {name: str(self._rows(f"PRAGMA {name}")[0][0]) for name in PRAGMAS}

    def migrations(self, folder: Path) -> list[tuple[int, str, int | None]]:
        """Return number, name and time of application of each migration; raises MigrationRefused too."""
        return migrate.status(self._connection, folder)

    def damage(self) -> list[str]:
        """Return what SQLite's own check of all pages finds."""
        found = [str(row[0]) for row in self._rows(f"PRAGMA quick_check({EXAMPLES_MAX})")]
        return [] if found == ["ok"] else found

    def broken_references(self) -> list[str]:
        """Name the tables with rows that refer to rows which are not there, as `from → to`."""
        pairs = {f"{child} → {parent}" for child, _, parent, _ in self._rows("PRAGMA foreign_key_check")}
        return sorted(pairs)

    def violations(self, invariant: str) -> list[str]:
        """Return a few conversations that break one of INVARIANTS, each with the number that says more."""
        found = self._rows(sql.load("inspect")[invariant], {"limit": EXAMPLES_MAX})
        return [f"{conversation_id_of(self.path.stem, uuid)} ({number})" for uuid, number in found]

    def _rows(self, statement: str, values: Mapping[str, int] | None = None) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement, values or {}).fetchall()
        except sqlite3.Error as error:
            raise InspectionFailed(str(error)) from error


def _open(path: Path, tuning: Tuning) -> Connection:
    connection: Connection | None = None
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)
        for pragma in tuning.pragmas():
            # The journal's mode is the file's own, and is to be found as it is.
            if "journal_mode" not in pragma:
                connection.execute(pragma)
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise InspectionFailed(str(error)) from error
    return connection
