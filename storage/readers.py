"""Which processes are reading a database just now: whoever stays for long keeps its WAL from being copied back.

Asked of the kernel, from outside. Not for a process that has the database open: closing the WAL's index drops the
locks that this process has on it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from pathlib import Path

# https://sqlite.org/walformat.html#locks: five read marks, each with a byte to lock, from the 123rd on.
READ_LOCKS_START = 123
READ_LOCKS = 5
_FLOCK = "@hhqqi"  # struct flock of Linux with 64-bit offsets: type, whence, start, length, pid


def readers_of(database: Path) -> list[int]:
    """Return the pids of processes that hold a read transaction; none where the system does not tell."""
    if sys.platform != "linux":
        return []
    try:
        descriptor = os.open(database.with_name(database.name + "-shm"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        holders = {_holder(descriptor, READ_LOCKS_START + index) for index in range(READ_LOCKS)}
    finally:
        os.close(descriptor)
    return sorted(holders - {0})


def _holder(descriptor: int, byte: int) -> int:
    """Return who would keep us from writing a byte; 0 for nobody."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
    kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    return 0 if kind == fcntl.F_UNLCK else int(pid)
