"""Checks a backup: that every file is there, has the bytes that were written, and is a sound database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from ops.backups import manifest
from ops.backups.manifest import BackupFile, Manifest
from storage.moment import damage_of


class Checked(msgspec.Struct, frozen=True):
    """What the check of one file found; `damage` is empty where it is sound."""

    name: str
    damage: str

    @property
    def ok(self) -> bool:
        """Tell whether the file is as it was written."""
        return not self.damage


def check(folder: Path, backup: Manifest, told: Callable[[str], None] | None = None) -> list[Checked]:
    """Read every byte of a backup; `told` is called with the name of each file before it is read."""
    found = []
    for file in backup.files:
        if told is not None:
            told(file.name)
        found.append(Checked(file.name, _damage(folder / file.name, file)))
    return found


def _damage(path: Path, file: BackupFile) -> str:
    try:
        size, digest = path.stat().st_size, manifest.sha256_of(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if size != file.size_bytes:
        return f"has {size} bytes, and {file.size_bytes} were written"
    if digest != file.sha256:
        return "has other content than was written (SHA-256)"
    return "; ".join(damage_of(path)) if file.content == "database" else ""
