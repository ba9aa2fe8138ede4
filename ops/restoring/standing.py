"""Standing: which moment a database file is of, and how much is in it, as its own rows say."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ops.restoring.engine import sqlite3
from ops.restoring.refusal import Refused

BUSY_TIMEOUT_S = 10.0

_NEWEST = """
SELECT max(at_ms) FROM (
    SELECT max(updated_ms) AS at_ms FROM conversations
    UNION ALL SELECT created_ms FROM messages WHERE rowid = (SELECT max(rowid) FROM messages)
)
"""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a file says of itself; None or 0 where it has no such table. Times are Unix milliseconds.

    `heartbeat_ms` is when the server last noted that it lives: the file holds all that was committed before.
    """

    heartbeat_ms: int | None = None
    newest_ms: int | None = None
    generation: int = 0
    epoch: str = ""
    conversations: int = 0
    messages: int = 0

    @property
    def moment_ms(self) -> int | None:
        """Return the moment that the file is of: that of its newest row of any kind."""
        return max((each for each in (self.heartbeat_ms, self.newest_ms) if each is not None), default=None)


def standing(path: Path, *, served: bool = False) -> Standing:
    """Read what a file says of itself; `served` where a server may be using it.

    Raises Refused where it cannot be read.
    """
    options = "mode=ro" if served else "mode=ro&immutable=1"
    try:
        address = f"file:{quote(str(path))}?{options}"
        with closing(
            sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        ) as connection:
            return _read(connection)
    except sqlite3.Error as error:
        raise Refused(f"{path} cannot be read: {error}.") from error


def tables(connection: Any) -> set[str]:
    """Name the tables of a database."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def _read(connection: Any) -> Standing:
    present = tables(connection)
    heartbeat = newest = None
    generation: tuple[int, str] = (0, "")
    counts = {"conversations": 0, "messages": 0}
    if "meta" in present:
        heartbeat = connection.execute(
            "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'heartbeat'"
        ).fetchone()
    if "generations" in present:
        found = connection.execute("SELECT number, epoch FROM generations ORDER BY number DESC LIMIT 1")
        generation = found.fetchone() or generation
    if counts.keys() <= present:
        newest = connection.execute(_NEWEST).fetchone()
        for table in counts:
            counts[table] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
    return Standing(
        heartbeat_ms=heartbeat[0] if heartbeat else None,
        newest_ms=newest[0] if newest else None,
        generation=generation[0],
        epoch=generation[1],
        **counts,
    )
