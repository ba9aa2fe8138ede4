"""Puts a backup into a new data folder, from which a server starts as from a restore."""

from __future__ import annotations

import shutil
from pathlib import Path

from ops.backups.checking import check
from ops.backups.manifest import BackupFile, Manifest
from ops.backups.shelf import Shelf, fsync
from ops.examining import place
from storage.moment import CopyFailed
from storage.restored import mark_restored

SIDES = ("-wal", "-shm", "-journal")


class UnpackFailed(Exception):
    """The backup was not put there; the message says why, and what to do."""


def unpack(shelf: Shelf, backup: Manifest, folder: Path) -> list[Path]:
    """Check a backup and copy it into a folder that has no database, each marked as restored; returns the databases.

    Nothing is ever written over: a ledger or a secret that is there stays. Raises UnpackFailed.
    """
    standing = place.databases(folder) if folder.is_dir() else []
    if standing:
        raise UnpackFailed(
            f"{folder} has databases already ({standing[0].name}). Name a new folder, look at what is in it, "
            "and then let PALAVER_DATA point to it."
        )
    leftover = next((each for end in SIDES for each in folder.glob(f"*.db{end}")), None)
    if leftover is not None:
        # SQLite would replay it into a database that it was never part of.
        raise UnpackFailed(
            f"{folder} has {leftover.name} of a database that is gone. Name a new folder, or move it away."
        )
    damaged = [each for each in check(shelf.path(backup), backup) if not each.ok]
    if damaged:
        raise UnpackFailed(
            f"{damaged[0].name} of {backup.name} is damaged: it {damaged[0].damage}. Take another backup."
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in backup.files:
            _copy(shelf.path(backup), folder, backup, file)
        fsync(folder)
    except (OSError, CopyFailed) as error:
        raise UnpackFailed(f"{folder}: {error}. Remove what was copied, mend that, and try again.") from error
    return place.databases(folder)


def _copy(source: Path, folder: Path, backup: Manifest, file: BackupFile) -> None:
    """Copy one file under another name, and give it its own only when it is whole."""
    target, partial = folder / file.name, folder / (file.name + ".partial")
    if target.exists():
        return
    shutil.copyfile(source / file.name, partial)
    partial.chmod(0o600)
    if file.content == "database":
        mark_restored(partial, f"restored from the backup {backup.name}")
    fsync(partial)
    partial.rename(target)
