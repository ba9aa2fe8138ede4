"""The disk: what must be on it before the next step may happen."""

from __future__ import annotations

import os
from pathlib import Path

PRIVATE_FILE = 0o600


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
