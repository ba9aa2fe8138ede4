"""Openings of a file: generations, the lock, a file that is lost, replaced or damaged, and the way back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chat.errors import Problem
from chat.settings import Settings
from chat.store import StoreFailed
from storage.engine import SQLITE_VERSION_MIN, SQLiteTooOld, assert_version, sqlite3
from storage.lock import AlreadyServed, FileLock
from tests.support.stores import OpenStore

HOLD = """
import sys
from pathlib import Path
from storage.lock import FileLock
FileLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


async def test_every_opening_adds_a_generation_with_an_epoch_of_its_own(store: OpenStore) -> None:
    await store.restart()
    await store.restart()
    found = [store.store.timeline.epoch_of(number) for number in (1, 2, 3)]
    assert len(set(found)) == 3
    assert store.store.timeline.current.kind == "start"


@pytest.mark.parametrize(("synchronous", "kind"), [("full", "start"), ("normal", "unclean")])
async def test_an_end_that_was_not_clean_counts_where_commits_were_not_fsynced(
    tmp_path: Path, synchronous: str, kind: str
) -> None:
    store = OpenStore(tmp_path / "main.db", Settings(synchronous=synchronous))  # type: ignore[arg-type]
    await store.store.open()
    await store.store._close_connections()
    store.store._lock.release()
    await store.restart()
    assert store.store.timeline.current.kind == kind
    await store.store.close()


def test_a_second_server_on_one_file_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        with pytest.raises(AlreadyServed, match=f"pid {holder.pid}"):
            FileLock(path).acquire()
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()
    lock = FileLock(path)
    lock.acquire()
    lock.release()


async def test_a_lost_file_turns_writing_off_and_is_never_made_anew(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    aside = store.path.with_suffix(".aside")
    store.path.rename(aside)
    with pytest.raises(StoreFailed, match=r"main\.db was moved, deleted or replaced"):
        await store.send("alice", conversation, "k")
    with pytest.raises(StoreFailed, match="gone"):
        await store.store.reopen()
    assert not store.path.exists()
    aside.rename(store.path)
    await store.store.reopen()
    assert (await store.send("alice", conversation, "k")).seq == 1


async def test_a_replaced_file_begins_a_swapped_generation(store: OpenStore, tmp_path: Path) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "a")
    copy = tmp_path / "copy.db"
    _backup(store.path, copy)
    await store.send("alice", conversation, "lost")
    for name in (store.path, Path(f"{store.path}-wal"), Path(f"{store.path}-shm")):
        name.unlink()
    os.replace(copy, store.path)
    with pytest.raises(StoreFailed):
        await store.send("alice", conversation, "b")
    await store.store.reopen()
    assert store.store.timeline.current.kind == "swapped"
    assert (await store.send("alice", conversation, "b")).seq == 2


async def test_a_wal_that_is_deleted_under_the_server_costs_no_message(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "a")
    Path(f"{store.path}-wal").unlink()
    with pytest.raises(StoreFailed, match=r"main\.db-wal was moved, deleted or replaced"):
        await store.send("alice", conversation, "b")
    await store.store.reopen()
    assert (await store.send("alice", conversation, "b")).seq == 2
    await store.restart()
    assert len((await store.recover("bob", conversation, "", 0)).events) == 2


async def test_a_full_disk_refuses_the_batch_and_is_mended_by_reopening(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    assert store.store._writer is not None
    await store.store._writer.run(lambda connection: connection.execute("PRAGMA max_page_count = 1"))
    with pytest.raises(StoreFailed, match="full"):
        await store.send("alice", conversation, "k", "x" * 40_000)
    await store.store.reopen()
    assert (await store.send("alice", conversation, "k", "x" * 40_000)).seq == 1


async def test_reads_go_on_while_writing_is_off(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "a")
    store.path.rename(store.path.with_suffix(".aside"))
    with pytest.raises(StoreFailed):
        await store.send("alice", conversation, "b")
    assert len((await store.recover("bob", conversation, "", 0)).events) == 1
    store.path.with_suffix(".aside").rename(store.path)


async def test_seqs_are_dense_after_a_failed_batch(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "a")
    assert store.store._writer is not None
    await store.store._writer.run(lambda connection: connection.execute("PRAGMA query_only = ON"))
    with pytest.raises(StoreFailed):
        await store.send("alice", conversation, "b")
    await store.store.reopen()
    assert [(await store.send("alice", conversation, key)).seq for key in "bc"] == [2, 3]


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    path.write_bytes(b"not a database, but long enough to look at" * 200)
    store = OpenStore(path)
    with pytest.raises(StoreFailed, match="palaver restore --latest --in-place --file main"):
        await store.store.open()
    FileLock(path).acquire()


def test_a_sqlite_with_the_wal_bug_is_refused() -> None:
    assert_version()
    assert sqlite3.sqlite_version_info >= SQLITE_VERSION_MIN
    with pytest.raises(SQLiteTooOld, match="pysqlite3"):
        assert_version((3, 51, 2))


async def test_a_refusal_is_an_outcome_and_no_failure(store: OpenStore) -> None:
    from chat.commands import SendMessage

    outcome = await store.outcome(
        "eve", SendMessage(conversation_id=await store.create("a"), client_message_id="k", content="x")
    )
    assert isinstance(outcome, Problem)


def _backup(source: Path, target: Path) -> None:
    origin, copy = sqlite3.connect(source), sqlite3.connect(target)
    origin.backup(copy)
    copy.close()
    origin.close()
