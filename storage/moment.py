"""Moment: several database files as they are at one moment, to be copied while a server goes on writing them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

import sql
from storage.engine import sqlite3

if TYPE_CHECKING:
    from sqlite3 import Connection

PAGES_PER_STEP = 1024
DAMAGE_SHOWN_MAX = 5

Progress = Callable[[int, int], None]
"""Told after each step how many bytes of how many are copied."""


class CopyFailed(Exception):
    """A database could not be read or written; the message says which, and SQLite's reason."""


class FileFacts(msgspec.Struct, frozen=True):
    """Where one file stands at the moment: its newest generation, and the time of its last heartbeat (UTC; 0: none)."""

    size_bytes: int
    generation: int
    epoch: str
    heartbeat_ms: int


class Moment:
    """Read transactions on all `files` that see one moment; use it in a `with` statement.

    While they begin, every file is locked for writing, so that no commit falls between two of them: the server's
    writer waits for that instant. Two of these never wait for each other, since all take the files in one order.
    `at_ms` (UTC) is when it was.

    A moment that is held keeps the write-ahead log from being emptied, so hold it no longer than the copies take.
    """

    def __init__(self, files: Sequence[Path], busy_timeout_ms: int) -> None:
        self._files = sorted(files)
        self._busy_timeout_ms = busy_timeout_ms
        self._readers: dict[Path, Connection] = {}
        self.at_ms = 0

    def __enter__(self) -> Moment:
        fences: list[Connection] = []
        try:
            for file in self._files if len(self._files) > 1 else ():
                fences.append(self._connect(file, "rw"))
                _run(file, fences[-1], "BEGIN IMMEDIATE")
            self.at_ms = time.time_ns() // 1_000_000
            for file in self._files:
                self._readers[file] = reader = self._connect(file, "ro")
                _run(file, reader, "BEGIN")
                _run(file, reader, "SELECT count(*) FROM sqlite_schema")  # the read takes the snapshot
        except BaseException:
            self._close()
            raise
        finally:
            for fence in fences:
                fence.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def facts(self, file: Path) -> FileFacts:
        """Tell where a file stands; raises CopyFailed for what is no database of ours."""
        reader = self._readers[file]
        (pages,) = _run(file, reader, "PRAGMA page_count")
        (page_bytes,) = _run(file, reader, "PRAGMA page_size")
        generation, epoch, heartbeat_ms = _run(file, reader, sql.load("standing")["standing"]) or (0, "", 0)
        return FileFacts(pages * page_bytes, generation, epoch, heartbeat_ms)

    def copy(self, file: Path, target: Path, progress: Progress | None = None) -> None:
        """Write a file as it is at this moment to `target`, which must not be there; raises CopyFailed.

        The copy is not yet forced to the disk.
        """
        page_bytes = _run(file, self._readers[file], "PRAGMA page_size")[0]

        def told(_status: int, remaining: int, total: int) -> None:
            if progress is not None:
                progress((total - remaining) * page_bytes, total * page_bytes)

        copy = sqlite3.connect(str(target), isolation_level=None)
        try:
            # What fails half-way is thrown away as a whole: no journal, and one fsync at the end is enough.
            copy.execute("PRAGMA journal_mode = OFF")
            copy.execute("PRAGMA synchronous = OFF")
            self._readers[file].backup(copy, pages=PAGES_PER_STEP, progress=told)
        except sqlite3.Error as error:
            raise CopyFailed(f"{file.name} cannot be copied to {target}: {error}") from error
        finally:
            copy.close()

    def _connect(self, file: Path, mode: str) -> Connection:
        try:
            connection: Connection = sqlite3.connect(
                f"file:{quote(str(file))}?mode={mode}",
                uri=True,
                isolation_level=None,
                timeout=self._busy_timeout_ms / 1000,
            )
        except sqlite3.Error as error:
            raise CopyFailed(f"{file} cannot be opened: {error}") from error
        return connection

    def _close(self) -> None:
        while self._readers:
            _, reader = self._readers.popitem()
            reader.close()


def damage_of(copy: Path) -> list[str]:
    """Return what SQLite's full check of a copy finds, and the rows that refer to nothing; makes no file beside it."""
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(copy))}?mode=ro&immutable=1", uri=True, isolation_level=None
        )
    except sqlite3.Error as error:
        return [str(error)]
    try:
        found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({DAMAGE_SHOWN_MAX})")]
        broken = {
            f"{row[0]} refers to nothing in {row[2]}"
            for row in connection.execute("PRAGMA foreign_key_check")
        }
    except sqlite3.Error as error:
        return [str(error)]
    finally:
        connection.close()
    return ([] if found == ["ok"] else found) + sorted(broken)


def _run(file: Path, connection: Connection, statement: str) -> Any:
    try:
        return connection.execute(statement).fetchone()
    except sqlite3.OperationalError as error:
        raise CopyFailed(f"{file}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise CopyFailed(f"{file} cannot be read: {error}") from error
