"""Migrates the database files of a data folder without a server, and tells where each stands."""

from __future__ import annotations

from pathlib import Path

import msgspec

from chat.ids import MAIN
from chat.settings import Settings
from storage import migrate
from storage.blank import make_blank
from storage.engine import assert_version, sqlite3
from storage.lock import FileLock
from storage.paths import path_of
from storage.tuning import Tuning


class FileStatus(msgspec.Struct, frozen=True):
    """One migration of one file; `applied_ms` (UTC) is None while it is pending."""

    file: str
    number: int
    name: str
    applied_ms: int | None


def upgrade(settings: Settings) -> None:
    """Apply what is pending to every file; raises AlreadyServed, MigrationRefused or OSError."""
    assert_version()
    folder = Path(settings.data)
    folder.mkdir(parents=True, exist_ok=True)
    for path in _files(folder):
        lock = FileLock(path)
        lock.acquire()
        try:
            _upgrade(path, settings)
        finally:
            lock.release()


def statuses(folder: Path) -> list[FileStatus]:
    """Tell for each file and migration whether it was applied; a file that is not there yet has all pending."""
    return [
        FileStatus(path.name, number, name, applied_ms)
        for path in _files(folder)
        for number, name, applied_ms in _status(path)
    ]


def _files(folder: Path) -> list[Path]:
    return [path_of(folder, MAIN), *sorted(folder.glob("persona_*.db"))]


def _upgrade(path: Path, settings: Settings) -> None:
    make_blank(path)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in Tuning.of(settings).pragmas():
            connection.execute(pragma)
        migrate.migrate(connection, migrate.shipped())
    finally:
        connection.close()


def _status(path: Path) -> list[tuple[int, str, int | None]]:
    if not path.exists():
        return [(each.number, each.name, None) for each in migrate.read(migrate.shipped())]
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        return migrate.status(connection, migrate.shipped())
    finally:
        connection.close()
