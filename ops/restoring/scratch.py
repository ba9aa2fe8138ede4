"""Scratch: a folder beside the databases, on their file system, where copies are restored before anything else happens.

A process holds a lock in its folder for as long as it lives, so that leftovers of a killed one are told from work.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ops.restoring.place import Place

PRIVATE = 0o700
LOCK = "lock"
TEMPORARY = "temporary-"


@contextmanager
def temporary(place: Place) -> Iterator[Path]:
    """Give a folder of one's own, taken away at the end; what killed processes left is taken away first."""
    sweep(place)
    with held(place.restores / f"{TEMPORARY}{secrets.token_hex(6)}") as folder:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                place.restores.rmdir()


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Make a folder where it is not, and hold its lock; raises BlockingIOError where another process holds it."""
    folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        os.close(descriptor)


def sweep(place: Place) -> None:
    """Take away the temporary folders that no living process holds."""
    for folder in place.restores.glob(f"{TEMPORARY}*"):
        try:
            with held(folder):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
