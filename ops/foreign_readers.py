"""Foreign readers: which other processes hold a database in an older state, as the kernel's list of locks tells.

Whoever reads in WAL mode locks one of five bytes of the `-shm` file, shared (sqlite.org/walformat.html §2.3.3). The
file itself must not be opened for this: closing it would drop the locks of our own connections.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from pathlib import Path

LOCKS = Path("/proc/locks")
FIELDS = 8
READ_MARKS = range(123, 128)


def readers(database: Path, locks: Path = LOCKS) -> AbstractSet[int]:
    """Return the pids that read `database` just now; none where the system has no such list."""
    try:
        inode = database.with_name(database.name + "-shm").stat().st_ino
        text = locks.read_text()
    except OSError:
        return frozenset()
    return frozenset(
        pid
        for pid, number, first, last in map(_parsed, text.splitlines())
        if number == inode and _reads(first, last)
    )


def name_of(pid: int) -> str:
    """Return what a process is called; empty where nobody knows."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _parsed(line: str) -> tuple[int, int, int, int]:
    """Return pid, inode, first and last byte of a lock that is held: `1: POSIX ADVISORY READ 9 fe:01:7 123 123`."""
    fields = line.split()
    if len(fields) != FIELDS or fields[1] != "POSIX" or not fields[7].isdecimal():
        return 0, 0, 0, -1
    return int(fields[4]), int(fields[5].rpartition(":")[2]), int(fields[6]), int(fields[7])


def _reads(first: int, last: int) -> bool:
    return first <= READ_MARKS[-1] and last >= READ_MARKS[0]
