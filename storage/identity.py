"""Which file a database is: by its numbers, so that one which was moved, replaced or deleted is noticed."""

from __future__ import annotations

import os
from pathlib import Path

Identity = tuple[int, int, int, int]
"""Device and inode of the database file, and of its WAL."""


def identity_of(path: str) -> Identity | None:
    """Look at a database file and its WAL; None where either is not there."""
    try:
        return *inode_of(path), *inode_of(path + "-wal")
    except OSError:
        return None


def inode_of(path: Path | str) -> tuple[int, int]:
    """Return device and inode of a file; raises OSError."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


def lost_of(path: Path, opened: Identity | None) -> Path:
    """Name which file is no longer the one that was opened: the WAL, where the database itself still is."""
    try:
        is_there = opened is not None and opened[:2] == inode_of(path)
    except OSError:
        is_there = False
    return wal_of(path) if is_there else path


def wal_of(path: Path) -> Path:
    """Return where the WAL of a database file is."""
    return path.with_name(path.name + "-wal")


def size_of(path: Path) -> int:
    """Return the bytes of a file, 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
