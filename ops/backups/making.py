"""Makes a backup: all databases of one moment, checked, hashed, forced to the disk, and only then named."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from chat.auth import SECRET_FILE
from chat.settings import Settings
from chat.version import VERSION
from ops.backups import manifest
from ops.backups.manifest import BackupFile, Manifest
from ops.backups.shelf import Shelf, ShelfFailed
from ops.examining import place
from storage.engine import sqlite3
from storage.moment import CopyFailed, FileFacts, Moment, Progress, damage_of

LEDGER_FILE = "ledger.jsonl"
# Room that stays free where the backups share a disk with the databases: a full one stops every send.
RESERVE_BYTES = place.DISK_FREE_BYTES_MIN


class BackupFailed(Exception):
    """No backup was made, and nothing was changed; the message says why, and what to do."""


def make(
    settings: Settings, shelf: Shelf, *, secret: bool, kept: bool, progress: Progress | None = None
) -> Manifest:
    """Make a backup on a shelf that is locked; raises BackupFailed. A server may be running meanwhile."""
    data = Path(settings.data).absolute()
    databases = place.databases(data)
    if not databases:
        raise BackupFailed(f"There is no database in {data}. Set PALAVER_DATA to the server's folder.")
    started_s = time.monotonic()
    try:
        with Moment(databases, settings.busy_timeout_ms) as moment:
            facts = {file: moment.facts(file) for file in databases}
            _check_room(shelf.folder, data, sum(each.size_bytes for each in facts.values()))
            partial = shelf.begin(moment.at_ms)
            _copy_all(moment, facts, partial, progress)
        files = [_database(partial / file.name, facts[file]) for file in databases]
        files += _others(data, partial, secret=secret)
        made = Manifest(
            name=partial.name.partition(".")[0],
            moment_ms=moment.at_ms,
            took_ms=round((time.monotonic() - started_s) * 1000),
            version=VERSION,
            sqlite=sqlite3.sqlite_version,
            files=tuple(files),
            kept=kept,
        )
        manifest.write(partial, made)
        shelf.finish(partial)
    except CopyFailed as error:
        raise BackupFailed(f"{error}. `palaver doctor` looks into it.") from error
    except (OSError, ShelfFailed) as error:
        raise BackupFailed(f"{shelf.folder} cannot be written: {error}.") from error
    return made


def _check_room(folder: Path, data: Path, needed_bytes: int) -> None:
    reserve = RESERVE_BYTES if os.stat(folder).st_dev == os.stat(data).st_dev else 0
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + reserve:
        raise BackupFailed(
            f"{folder} has {free // 2**20} MiB free, and {(needed_bytes + reserve) // 2**20} are needed. "
            "Make room, or name another disk with --to."
        )


def _copy_all(moment: Moment, facts: dict[Path, FileFacts], partial: Path, progress: Progress | None) -> None:
    total = sum(each.size_bytes for each in facts.values())
    before = 0

    def told(done: int, _of: int) -> None:
        if progress is not None:
            progress(before + done, total)

    for file, each in facts.items():
        moment.copy(file, partial / file.name, told)
        before += each.size_bytes


def _database(copy: Path, facts: FileFacts) -> BackupFile:
    damage = damage_of(copy)
    if damage:
        raise CopyFailed(f"The copy of {copy.name} is damaged: {'; '.join(damage)}")
    return BackupFile(
        name=copy.name,
        content="database",
        size_bytes=copy.stat().st_size,
        sha256=manifest.sha256_of(copy),
        generation=facts.generation,
        epoch=facts.epoch,
        heartbeat_ms=facts.heartbeat_ms,
    )


def _others(data: Path, partial: Path, *, secret: bool) -> list[BackupFile]:
    """Copy what stands beside the databases. A line of the ledger more than the moment had does no harm."""
    names = {LEDGER_FILE: "ledger", **({SECRET_FILE: "secret"} if secret else {})}
    found = []
    for name, content in names.items():
        if (data / name).is_file():
            copy = partial / name
            shutil.copyfile(data / name, copy)
            copy.chmod(0o600)
            found.append(
                BackupFile(
                    name=name,
                    content="secret" if content == "secret" else "ledger",
                    size_bytes=copy.stat().st_size,
                    sha256=manifest.sha256_of(copy),
                )
            )
    return found
