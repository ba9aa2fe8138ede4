"""Shelf: the folder in which backups stand, each a folder named after its moment."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chat.settings import Settings
from ops.backups import manifest
from ops.backups.manifest import BadManifest, Manifest

FOLDER = "backups"
PARTIAL = ".partial"
LOCK = ".lock"
NAME = re.compile(r"\d{8}T\d{6}Z(-\d+)?")


class ShelfFailed(Exception):
    """What was asked of the backups cannot be done; the message says why, and what to do."""


def folder_of(settings: Settings) -> Path:
    """Return where the backups of these settings stand."""
    return Path(settings.backups).absolute() if settings.backups else Path(settings.data).absolute() / FOLDER


class Shelf:
    """A folder of backups. Nothing in it but whole backups, and the one that is being made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def backups(self) -> list[Manifest]:
        """Return the whole backups, oldest first; a folder without a good manifest is none."""
        found = []
        for folder in self._folders():
            try:
                found.append(manifest.read(folder))
            except BadManifest:
                continue
        return sorted(found, key=lambda each: (each.moment_ms, each.name))

    def broken(self) -> list[Path]:
        """Return the folders that are named like a backup and are none."""
        whole = {each.name for each in self.backups()}
        return [folder for folder in self._folders() if folder.name not in whole]

    def find(self, name: str) -> Manifest:
        """Return the backup with a name, or the newest for ""; raises ShelfFailed."""
        backups = self.backups()
        if not backups:
            raise ShelfFailed(f"There is no backup in {self.folder}. `palaver backup` makes one.")
        if not name:
            return backups[-1]
        for each in backups:
            if each.name == name:
                return each
        raise ShelfFailed(
            f"There is no backup {name} in {self.folder}. `palaver backup --list` shows those there are."
        )

    def path(self, backup: Manifest) -> Path:
        """Return the folder of a backup."""
        return self.folder / backup.name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and be the only one who changes it; raises ShelfFailed where another process does."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ShelfFailed(
                f"{self.folder} cannot be written ({error.strerror}). Make it writable, or name another folder "
                "with --to."
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sweep()
            yield
        except BlockingIOError as error:
            raise ShelfFailed(f"Another backup to {self.folder} is being made. Wait for its end.") from error
        finally:
            os.close(descriptor)

    def begin(self, moment_ms: int) -> Path:
        """Make the folder in which a backup is put together, under a name that nobody takes for a whole one."""
        stem = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment_ms / 1000))
        name, count = stem, 1
        while (self.folder / name).exists():
            name, count = f"{stem}-{count}", count + 1
        partial = self.folder / (name + PARTIAL)
        partial.mkdir(mode=0o700)
        return partial

    def finish(self, partial: Path) -> Path:
        """Force all that a backup has to the disk, and give it its name; returns its folder."""
        for file in partial.iterdir():
            fsync(file)
        fsync(partial)
        whole = partial.with_name(partial.name.removesuffix(PARTIAL))
        partial.rename(whole)
        fsync(self.folder)
        return whole

    def remove(self, backup: Manifest) -> None:
        """Remove a backup; a crash half-way leaves nothing that looks whole."""
        leaving = self.folder / (backup.name + PARTIAL)
        self.path(backup).rename(leaving)
        shutil.rmtree(leaving)

    def _folders(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(each for each in self.folder.iterdir() if NAME.fullmatch(each.name) and each.is_dir())

    def _sweep(self) -> None:
        for partial in self.folder.glob(f"*{PARTIAL}"):
            if NAME.fullmatch(partial.name.removesuffix(PARTIAL)):
                shutil.rmtree(partial)


def fsync(path: Path) -> None:
    """Force a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
