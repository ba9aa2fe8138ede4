"""Tuned connections to one SQLite file, opened once and held: `databases` has no pool for SQLite."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import databases
from databases.core import Connection
from sqlalchemy.sql.elements import ClauseElement

import sql
from chat.errors import TooManyRequests, Unavailable
from chat.observer import Observer
from chat.settings import Settings
from chat.store import StoreFailed
from storage.engine import sqlite3
from storage.paths import PREFIX
from storage.tuning import Tuning

STATEMENT_CHARACTERS_MAX = 200
PARAMETER_CHARACTERS_MAX = 100

Result = TypeVar("Result")
Row = tuple[Any, ...]

logger = logging.getLogger("palaver.storage")


def not_opened(path: Path, error: Exception) -> StoreFailed:
    """Say why a file cannot be opened, and what to do where it is damaged, or no database."""
    reason = f"{path.name} cannot be opened: {error}"
    # Its children say that something else failed: the disk, another process, a statement.
    if type(error) is sqlite3.DatabaseError:
        reason += f". {_way_back(path)}, and palaver backup --restore what a backup has"
    return StoreFailed(reason)


class HeldConnection:
    """One connection of `databases`, open until `close`; not for two tasks at once."""

    def __init__(self, connection: Connection, slow_query_ms: int) -> None:
        self._connection = connection
        self._slow_s = slow_query_ms / 1000

    @classmethod
    async def open(cls, path: Path, tuning: Tuning) -> HeldConnection:
        """Open `path` and set its PRAGMAs; raises StoreFailed with the reason where that fails."""
        database = databases.Database(f"sqlite:///{quote(str(path))}", factory=_factory(tuning))
        connection = database.connection()
        try:
            await connection.__aenter__()
        except sqlite3.Error as error:
            raise not_opened(path, error) from error
        return cls(connection, tuning.slow_query_ms)

    async def fetch_all(self, noun: str, name: str, **values: Any) -> list[Row]:
        """Run a named statement and return its rows as tuples."""
        query = sql.clause(noun, name)
        return await self._timed(query.bindparams(**values) if values else query, values)

    async def fetch_one(self, noun: str, name: str, **values: Any) -> Row | None:
        """Run a named statement and return its first row."""
        rows = await self.fetch_all(noun, name, **values)
        return rows[0] if rows else None

    async def query(self, query: ClauseElement) -> list[Row]:
        """Run a statement that SQLAlchemy Core built for one request."""
        return await self._timed(query, {})

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """Hold one read transaction: every statement inside sees the same moment.

        Not a transaction of `databases`: cancelled while it begins or ends, that leaves the connection inside it, and
        counted as in use, so that it would never close. Here the end is queued behind the beginning, come what may.
        """
        try:
            await self.run(lambda connection: connection.execute("BEGIN"))
            yield
        finally:
            await self.run(_end_transaction)

    async def run(self, function: Callable[[Any], Result]) -> Result:
        """Call `function` with the sqlite3 connection, in that connection's thread, in one hop.

        `_execute` and `_conn` are private to aiosqlite, and worth it: five statements one by one through `databases`
        cost 2.5 ms, one function 0.4 ms. A test pins them.
        """
        raw = self._connection.raw_connection
        return await raw._execute(lambda: function(raw._conn))  # type: ignore[no-any-return]

    def interrupt(self) -> None:
        """End the statement that runs now, from outside its thread."""
        self._connection.raw_connection._conn.interrupt()

    async def close(self) -> None:
        """Close the connection after what it is doing; never raises."""
        try:
            await self._connection.__aexit__()
        except sqlite3.Error as error:
            logger.warning("a connection did not close well: %s", error)

    async def _timed(self, query: ClauseElement, values: dict[str, Any]) -> list[Row]:
        started_s = time.monotonic()
        try:
            records = await self._connection.fetch_all(query)
        except sqlite3.Error as error:
            raise StoreFailed(str(error)) from error
        finally:
            took_s = time.monotonic() - started_s
            if self._slow_s and took_s >= self._slow_s:
                _report_slow(took_s, query, values)
        return [tuple(record._mapping) for record in records]


class Readers:
    """A few reading connections of one file; each read waits its turn, and none may hold a transaction too long."""

    def __init__(self, path: Path, settings: Settings, observer: Observer) -> None:
        self._path = path
        self._settings = settings
        self._observer = observer
        self._idle: asyncio.Queue[HeldConnection] = asyncio.Queue()
        self._held: list[HeldConnection] = []

    @property
    def is_open(self) -> bool:
        """Tell whether all connections are open."""
        return len(self._held) == self._settings.readers

    async def open(self) -> None:
        """Open all connections; raises StoreFailed."""
        tuning = Tuning.of(self._settings, query_only=True)
        for _ in range(self._settings.readers):
            connection = await HeldConnection.open(self._path, tuning)
            self._held.append(connection)
            self._idle.put_nowait(connection)

    async def close(self) -> None:
        """Close all connections; whoever still reads is interrupted."""
        held, self._held = self._held, []
        while not self._idle.empty():
            self._idle.get_nowait()
        for connection in held:
            connection.interrupt()
            await connection.close()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[HeldConnection]:
        """Lend a connection inside a read transaction.

        Raises TooManyRequests when none becomes free in time, and Unavailable where the database is not open by then or
        cannot be read, or the transaction outlives its limit.
        """
        asked_s = time.monotonic()
        connection = await self._take()
        taken_s = time.monotonic()
        # The timer ends a statement that runs, the timeout a transaction between two statements.
        interrupt = asyncio.get_running_loop().call_later(self._settings.read_timeout_s, connection.interrupt)
        try:
            async with asyncio.timeout(self._settings.read_timeout_s), connection.snapshot():
                yield connection
        except TimeoutError as error:
            raise Unavailable("the read took too long and was ended; ask for less") from error
        except (StoreFailed, sqlite3.Error) as error:
            logger.error("a read failed: %s", error)
            raise Unavailable("the database cannot be read just now; try again") from error
        finally:
            interrupt.cancel()
            if connection in self._held:  # else it was closed meanwhile
                self._idle.put_nowait(connection)
            self._observer.read(taken_s - asked_s, time.monotonic() - taken_s)

    async def _take(self) -> HeldConnection:
        try:
            async with asyncio.timeout(self._settings.reader_wait_s):
                return await self._idle.get()
        except TimeoutError as error:
            if not self._held:
                raise Unavailable("the database cannot be read just now; try again") from error
            raise TooManyRequests("the database is busy reading; try again", retry_after_s=1.0) from error


def _way_back(path: Path) -> str:
    if path.stem.startswith(PREFIX):
        persona = path.stem.removeprefix(PREFIX)
        return f"palaver restore persona {persona} --at … puts a copy there, beside the server or without it"
    return (
        f"Stop the server; palaver restore --latest --in-place --file {path.stem} puts its newest copy there"
    )


def _end_transaction(connection: Any) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _factory(tuning: Tuning) -> type:
    class TunedConnection(sqlite3.Connection):  # type: ignore[misc,name-defined]
        """A connection that is tuned before anybody can use it."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            for pragma in tuning.pragmas():
                self.execute(pragma)

    return TunedConnection


def _report_slow(took_s: float, query: ClauseElement, values: dict[str, Any]) -> None:
    """Log a statement and what it was asked with: ids and positions, since reads are never given bodies."""
    logger.warning(
        "slow query",
        extra={
            "statement": " ".join(str(query).split())[:STATEMENT_CHARACTERS_MAX],
            "parameters": str(values)[:PARAMETER_CHARACTERS_MAX],
            "took_ms": round(took_s * 1000, 1),
        },
    )
