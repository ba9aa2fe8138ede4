"""Where a run took place: what one must know to compare its figures with another's."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from storage.engine import sqlite3

SYNCS = 200
PAGE = bytes(4096)
LIBRARIES = ("uvicorn", "uvloop", "websockets", "fastapi", "aiosqlite")


def describe(folder: Path) -> dict[str, str]:
    """Return facts by name, with the cost of an fsync in `folder`."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": f"{_processor()} ({os.cpu_count()} cores)",
        "kernel": platform.release(),
        "file system": f"{_file_system(folder)} (fdatasync {_sync_ms(folder):.2f} ms)",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{name: version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """Return the type of the mount that holds `folder`, from proc_pid_mountinfo(5)."""
    found = ("", "unknown")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4]
        if folder.resolve().is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, right.split()[0])
    return found[1]


def _sync_ms(folder: Path) -> float:
    """Return the median time of writing one page and making it durable."""
    took_s = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            start_s = time.perf_counter()
            file.write(PAGE)
            file.flush()
            os.fdatasync(file.fileno())
            took_s.append(time.perf_counter() - start_s)
    return 1e3 * statistics.median(took_s)
