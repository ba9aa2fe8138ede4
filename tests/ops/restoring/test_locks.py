"""Who serves a database is told by the lock that he holds, and by nothing that a dead one left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ops.restoring.locks import server_of
from storage.lock import FileLock


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "main.db"


def test_the_server_of_a_file_is_who_holds_its_lock(database: Path) -> None:
    lock = FileLock(database)
    lock.acquire()
    assert server_of(database) == os.getpid()
    lock.release()
    assert server_of(database) is None


def test_a_pid_that_is_another_process_by_now_serves_nothing(database: Path) -> None:
    database.with_name("main.db.lock").write_text(f"{os.getpid()}\n")
    assert server_of(database) is None


@pytest.mark.parametrize("content", ["", "x"])
def test_a_server_that_is_just_writing_its_pid_serves_too(database: Path, content: str) -> None:
    lock = FileLock(database)
    lock.acquire()
    database.with_name("main.db.lock").write_text(content)
    assert server_of(database) == 0
    lock.release()


def test_without_a_lock_nobody_serves(database: Path) -> None:
    assert server_of(database) is None
    assert list(database.parent.iterdir()) == []
