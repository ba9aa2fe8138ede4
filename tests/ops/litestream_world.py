"""A data folder with small databases, a real supervisor over it, and restores that tell what is on the replica."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING

from chat.settings import Settings
from ops.examining import place
from ops.litestream import Litestream
from ops.supervising.control_socket import SyncOutcome
from ops.supervising.target import target_of
from storage.engine import sqlite3
from tests.support.waiting import until_awaited

if TYPE_CHECKING:
    from sqlite3 import Connection

BINARY = Path(sys.executable).with_name("litestream")
SYNC_TIMEOUT_S = 10.0
PROVEN_TIMEOUT_S = 90.0
SIDES = ("-wal", "-shm")


class Databases:
    """Databases with one table of numbered rows; each is opened, written and closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str = "main") -> Path:
        return self.folder / f"{name}.db"

    def write(self, name: str = "main", *texts: str) -> None:
        """Commit rows; made by the first."""
        with closing(sqlite3.connect(self.path(name), timeout=10)) as connection:
            _fill(connection, texts)

    def rows(self, name: str = "main") -> list[str]:
        return _rows(self.path(name))

    def delete(self, name: str) -> None:
        for path in (self.path(name), *(Path(f"{self.path(name)}{side}") for side in SIDES)):
            path.unlink(missing_ok=True)

    def replace(self, name: str, *texts: str) -> None:
        """Rename another database over this one, as a restore by hand does."""
        fresh = self.folder / f"{name}.fresh"
        with closing(sqlite3.connect(fresh)) as connection:
            _fill(connection, texts)
        for side in SIDES:
            Path(f"{self.path(name)}{side}").unlink(missing_ok=True)
        fresh.replace(self.path(name))


class World:
    """Settings over a data folder; replication to the folder's own `replica`, unless they say otherwise."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.databases = Databases(folder)
        given = {"data": str(folder), "replica_sync_s": 0.25, "replica_stop_s": 3.0} | settings
        self.settings = Settings(**given)  # type: ignore[arg-type]
        self.litestream = self.another()

    def another(self) -> Litestream:
        return Litestream(self.settings, lambda: place.databases(self.databases.folder))

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[Litestream]:
        """Run a fresh supervisor, and stop it in good order at the end."""
        self.litestream = self.another()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.litestream.run())
            try:
                yield self.litestream
                await self.litestream.stop()
            except BaseException:
                running.cancel()
                raise

    async def proven(self, name: str = "main") -> SyncOutcome:
        """Wait until a sync says that all is on the replica."""

        async def synced() -> SyncOutcome | None:
            outcome = await self.litestream.sync(self.databases.path(name), SYNC_TIMEOUT_S)
            return outcome if outcome.ok else None

        return await until_awaited(synced, f"{name} on the replica", PROVEN_TIMEOUT_S)

    def restored(self, name: str, to: Path) -> list[str]:
        """Restore what is on the replica, check its integrity in full, and return its rows."""
        target = target_of(self.settings)
        to.unlink(missing_ok=True)
        command = [str(BINARY), "restore", "-o", str(to), "-integrity-check", "full", self._url(name)]
        done = subprocess.run(
            command, env=dict(target.environment), check=False, capture_output=True, timeout=60
        )
        assert done.returncode == 0, done.stderr.decode()
        return _rows(to)

    def _url(self, name: str) -> str:
        url = target_of(self.settings).url_of(name)
        if not self.settings.replica_endpoint:
            return url
        return f"{url}?endpoint={self.settings.replica_endpoint}&region={self.settings.replica_region}"


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def inode(path: Path) -> int:
    return os.stat(path).st_ino


def _fill(connection: Connection, texts: tuple[str, ...]) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS notes (text TEXT)")
    connection.executemany("INSERT INTO notes VALUES (?)", [(text,) for text in texts])
    connection.commit()


def _rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY rowid")]
