"""The disk: what must be on it before the next step may happen, and what to do where it takes no more."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.restoring.refusal import Refused

PRIVATE_FILE = 0o600
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
SQLITE_FULL = "database or disk is full"
# What SQLite says where there is no room for its shared memory; and of other failures of a disk.
SQLITE_IO = "disk I/O error"
ROOM_BYTES_MIN = 64 * 1024


def flush_folder(folder: Path) -> None:
    """Put a folder's names on the disk: a rename is lasting only then."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(path: Path, content: bytes) -> None:
    """Put content in place at once and lastingly: a reader finds all of it or what was there before."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    flush_folder(path.parent)


@contextmanager
def refusing(folder: Path) -> Iterator[None]:
    """Refuse, with what to do, where a file in a folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise Refused(explained(error, folder)) from error


def explained(error: Exception, folder: Path) -> str:
    """Say why something failed in a folder, and what to do where that is the disk's fault; else its own words."""
    if is_full(error, folder):
        return (
            f"The disk of {folder} is full ({_words(error)}). Make room there: old backups, old restores/replaced-*, "
            "logs; never a -wal file, nor anything below replica. Then try again."
        )
    if isinstance(error, OSError):
        return (
            f"{_words(error) if error.filename else f'{folder}: {_words(error)}'}. Mend that, and try again."
        )
    return str(error)


def is_full(error: Exception, folder: Path) -> bool:
    """Tell whether something failed since the disk of a folder is full."""
    if isinstance(error, OSError):
        return error.errno in NO_ROOM
    words = str(error)
    return SQLITE_FULL in words or (SQLITE_IO in words and shutil.disk_usage(folder).free < ROOM_BYTES_MIN)


def _words(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error).rstrip(".")
    named = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    return f"{named}{error.strerror or error}"
