"""The WAL is copied back where nobody else does it, and who holds it back is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chat.replication import DOWN, REPLICATING
from chat.settings import Settings
from ops import foreign_readers, wal_guard
from ops.wal_guard import MIB, WalGuard
from storage.checkpoint import Checkpoint
from tests.support.stores import OpenStore

READER = (
    "import sqlite3, sys\n"
    "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    "connection.execute('BEGIN')\n"
    "connection.execute('SELECT count(*) FROM messages').fetchone()\n"
    "print('reading', flush=True)\n"
    "sys.stdin.read()\n"
)


class File:
    """A file with a large WAL."""

    def __init__(self, wal_bytes: int, wal_pages: int, copied_pages: int) -> None:
        self.path = Path("/data/main.db")
        self._wal_bytes = wal_bytes
        self._done = Checkpoint(wal_pages, copied_pages)
        self.checkpoints = 0

    def sizes(self) -> tuple[int, int]:
        return 0, self._wal_bytes

    async def checkpoint(self) -> Checkpoint:
        self.checkpoints += 1
        return self._done


def guard_of(file: File, state: str = REPLICATING, pids: tuple[int, ...] = ()) -> WalGuard:
    settings = Settings(wal_bytes_max=MIB)
    return WalGuard(settings, lambda: {"main": file}, lambda _: state, lambda: (7,), lambda _: pids)


async def test_a_small_wal_is_left_alone() -> None:
    file = File(MIB, 256, 0)
    guard = guard_of(file)

    await guard.look("main", file)

    assert not file.checkpoints
    assert not guard.parts()


async def test_a_wal_over_its_limit_is_told() -> None:
    file = File(4 * MIB, 1024, 0)
    guard = guard_of(file)

    await guard.look("main", file)

    (part,) = guard.parts()
    assert (part.part, part.ok, part.critical) == ("WAL of main", False, False)
    assert "4 MiB" in part.reason


async def test_a_large_file_with_little_in_it_is_no_alarm() -> None:
    file = File(4 * MIB, 0, 0)
    guard = guard_of(file)

    await guard.look("main", file)

    assert not guard.parts()


async def test_while_replication_is_down_what_can_be_copied_back_is_no_alarm() -> None:
    file = File(4 * MIB, 1024, 1024)
    guard = guard_of(file, DOWN)

    await guard.look("main", file)

    assert file.checkpoints == 1
    assert not guard.parts()


async def test_who_reads_for_too_long_is_told_by_pid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal_guard, "LONG_READ_S", 0.0)
    file = File(0, 0, 0)
    guard = guard_of(file, pids=(7, os.getpid(), 4_000_000))

    await guard.look("main", file)

    (part,) = guard.parts()
    assert part.part == "readers of main"
    assert "4000000" in part.reason
    assert str(os.getpid()) not in part.reason


async def test_a_short_read_is_not_told() -> None:
    file = File(0, 0, 0)
    guard = guard_of(file, pids=(4_000_000,))

    await guard.look("main", file)

    assert not guard.parts()


@pytest.mark.skipif(not foreign_readers.LOCKS.exists(), reason="only Linux lists its locks")
async def test_a_process_that_reads_is_found_by_its_lock(tmp_path: Path) -> None:
    async with OpenStore(tmp_path / "main.db") as store:
        await store.create("alice")
        process = subprocess.Popen(
            [sys.executable, "-c", READER, str(store.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"reading\n"

        assert process.pid in foreign_readers.readers(store.path)
        process.communicate()
        assert process.pid not in foreign_readers.readers(store.path)


def test_without_a_list_of_locks_nobody_is_found(tmp_path: Path) -> None:
    (tmp_path / "main.db-shm").touch()

    assert not foreign_readers.readers(tmp_path / "main.db", tmp_path / "none")
    assert not foreign_readers.readers(tmp_path / "other.db")
    assert foreign_readers.name_of(os.getpid())
    assert not foreign_readers.name_of(2**22 + 1)
