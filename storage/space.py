"""The space that a database file takes: how much of it is free, and how it is given back to the disk.

No row is touched, so no generation is begun: for clients and for the timeline nothing happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from chat.settings import Settings
from storage.blank import AUTO_VACUUM
from storage.engine import sqlite3
from storage.lock import FileLock
from storage.moment import PAGES_PER_STEP, damage_of
from storage.tuning import Tuning

if TYPE_CHECKING:
    from sqlite3 import Connection

INCREMENTAL = 2
# A slice holds the write lock for some 10 ms, and the server's writer asks for it again within 50 ms.
SLICE_PAGES = 100
PAUSE_S = 0.05

Progress = Callable[[int, int], None]
"""Told how many bytes of how many are done."""


class SpaceFailed(Exception):
    """The file was left as it was; the message says why, and what to do."""


class Space(msgspec.Struct, frozen=True):
    """How large a file is, and how much of it holds nothing; `incremental`: it can give that back beside a server."""

    size_bytes: int
    free_bytes: int
    incremental: bool

    @property
    def free_share(self) -> float:
        """Return the part of the file that holds nothing, 0 to 1."""
        return self.free_bytes / self.size_bytes if self.size_bytes else 0.0


def space_of(file: Path) -> Space:
    """Look at a file; raises SpaceFailed."""
    with _opened(file, "ro") as connection:
        return _space(connection)


def give_back(file: Path, settings: Settings, progress: Progress | None = None) -> None:
    """Cut the free pages off a file, in slices between which a running server writes; raises SpaceFailed."""
    with _opened(file, "rw", settings) as connection:
        before = _space(connection)
        if not before.incremental:
            raise SpaceFailed(
                f"{file.name} was made without the means to shrink in steps. "
                "Stop the server, and run `palaver vacuum --full` once."
            )
        free = before.free_bytes
        while free > 0:
            connection.execute(f"PRAGMA incremental_vacuum({SLICE_PAGES:d})").fetchall()
            left = _space(connection).free_bytes
            if left >= free:
                break  # what a reader still sees cannot be cut; the next run takes it
            free = left
            if progress is not None:
                progress(before.free_bytes - free, before.free_bytes)
            time.sleep(PAUSE_S)


def rewrite(file: Path, settings: Settings, progress: Progress | None = None) -> None:
    """Write a file anew without gaps, every table in one piece; raises SpaceFailed, or AlreadyServed.

    First as a copy beside it, then through the write-ahead log into the file, as one transaction: a crash leaves the
    old or the new. SQLite's own VACUUM would hold all of it in memory, since this build keeps temporary files there.
    """
    lock = FileLock(file)
    lock.acquire()
    compact = file.with_name(file.name + ".compact")
    try:
        compact.unlink(missing_ok=True)
        with _opened(file, "rw", settings) as connection:
            if not _space(connection).incremental:
                connection.execute(f"PRAGMA auto_vacuum = {AUTO_VACUUM}")
            connection.execute("VACUUM INTO ?", (str(compact),))
            damage = damage_of(compact)
            if damage:
                raise SpaceFailed(f"{file.name} is damaged: {'; '.join(damage)}. Restore it from a copy.")
            _copy_back(compact, connection, progress)
    finally:
        compact.unlink(missing_ok=True)
        lock.release()


def optimize(connection: Connection) -> None:
    """Let SQLite look whether its statistics still fit the data; some milliseconds, whatever the size."""
    connection.execute("PRAGMA analysis_limit = 400")
    connection.execute("PRAGMA optimize = 0x10002").fetchall()


def _copy_back(compact: Path, connection: Connection, progress: Progress | None) -> None:
    page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]

    def told(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress((total - remaining) * page_bytes, total * page_bytes)

    source = sqlite3.connect(f"file:{quote(str(compact))}?mode=ro&immutable=1", uri=True)
    try:
        source.backup(connection, pages=PAGES_PER_STEP, progress=told)
    finally:
        source.close()


def _space(connection: Connection) -> Space:
    page_bytes, pages, free, mode = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_size", "page_count", "freelist_count", "auto_vacuum")
    )
    return Space(page_bytes * pages, page_bytes * free, mode == INCREMENTAL)


@contextmanager
def _opened(file: Path, mode: str, settings: Settings | None = None) -> Iterator[Connection]:
    """Open a file that is there; SQLite's errors inside become SpaceFailed."""
    connection: Connection | None = None
    try:
        connection = sqlite3.connect(f"file:{quote(str(file))}?mode={mode}", uri=True, isolation_level=None)
        for pragma in Tuning.of(settings).pragmas() if settings is not None else ():
            connection.execute(pragma)
        yield connection
    except sqlite3.Error as error:
        raise SpaceFailed(f"{file}: {error}. `palaver doctor` looks into it.") from error
    finally:
        if connection is not None:
            connection.close()
