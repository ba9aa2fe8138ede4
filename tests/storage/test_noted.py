"""A file that somebody put there while the server was stopped is noticed at the next start, whatever it came from."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from chat.settings import Settings
from storage.engine import sqlite3
from storage.noted import NOTE_EVERY_S, note_of
from storage.personas import PersonaFiles
from tests.support.stores import OpenStore

WITH_SUFFIXES = ("", "-wal", "-shm")


async def test_a_file_that_was_left_alone_begins_a_plain_start(store: OpenStore) -> None:
    await store.send("alice", await store.create("alice", "bob"), "k")
    await store.restart()
    assert store.store.timeline.current.kind == "start"
    assert note_of(store.path).stat().st_mode & 0o777 == 0o600


async def test_a_crash_begins_a_plain_start(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.store.note()
    await store.send("alice", conversation, "later than the note")
    await _crash(store)
    await store.store.open()
    assert store.store.timeline.current.kind == "start"


async def test_a_copy_that_was_moved_in_is_noticed_and_told_though_nothing_is_missing(
    store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "k")
    copied = _copy(store)
    await store.store.close()
    _remove(store.path)
    copied.rename(store.path)
    with caplog.at_level("WARNING", "palaver.storage"):
        await _expect_swapped(store, "another file stands in the place")
    (told,) = [
        record.getMessage() for record in caplog.records if "not as it was left" in record.getMessage()
    ]
    assert told.startswith("main.db is not as it was left: another file stands in the place")
    assert "what it lacks is missing" in told
    assert "docs/how-to/alarms.md, PalaverTimelineSwapped" in told


async def test_an_older_copy_that_was_written_over_the_file_is_noticed(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    copied = _copy(store)
    await store.send("alice", conversation, "k")
    await store.store.close()
    _write_over(store.path, copied)
    await _expect_swapped(store, "holds 1 events and conversations, and 2 were noted")


async def test_a_copy_from_before_this_run_is_noticed(store: OpenStore) -> None:
    await store.create("alice", "bob")
    copied = _copy(store)
    await store.restart()
    await store.store.close()
    _write_over(store.path, copied)
    await _expect_swapped(store, "does not know generation 2")


async def test_a_file_of_another_machine_is_noticed_since_nothing_was_noted_here(store: OpenStore) -> None:
    await store.create("alice", "bob")
    await store.store.close()
    note_of(store.path).unlink()
    await _expect_swapped(store, "nothing was noted beside it")


async def test_an_empty_file_in_place_of_one_that_was_noted_is_noticed(store: OpenStore) -> None:
    await store.create("alice", "bob")
    await store.store.close()
    _remove(store.path)
    await _expect_swapped(store, "")


@pytest.mark.parametrize("has_note", [True, False])
async def test_a_restore_says_itself_what_it_is(store: OpenStore, has_note: bool) -> None:
    conversation = await store.create("alice", "bob")
    copied = _copy(store)
    await store.send("alice", conversation, "k")
    await store.store.close()
    with closing(sqlite3.connect(copied)) as connection, connection:
        connection.execute(
            "INSERT INTO generations (epoch, kind, since_ms, cause, synchronous) VALUES ('r', 'restore', 0, '', 'full')"
        )
    _remove(store.path)
    copied.rename(store.path)
    if not has_note:
        note_of(store.path).unlink()
    await store.store.open()
    assert [each.kind for each in store.store.timeline.since("")] == ["start", "restore", "start"]
    await store.restart()
    assert store.store.timeline.current.kind == "start"


async def test_commits_that_were_not_fsynced_and_are_lost_make_the_next_start_unclean(tmp_path: Path) -> None:
    store = OpenStore(tmp_path / "main.db", Settings(synchronous="normal"))
    await store.store.open()
    conversation = await store.create("alice", "bob")
    copied = _copy(store)
    await store.send("alice", conversation, "k")
    await store.store.note()
    await _crash(store)
    _write_over(store.path, copied)
    await store.store.open()
    assert store.store.timeline.current.kind == "unclean"
    await store.store.close()


async def test_a_note_that_cannot_be_read_is_like_none(store: OpenStore) -> None:
    await store.store.close()
    note_of(store.path).write_bytes(b"{")
    await _expect_swapped(store, "nothing was noted beside it")


async def test_a_note_that_cannot_be_written_costs_a_line_in_the_log(
    store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    note_of(store.path).unlink()
    note_of(store.path).mkdir()
    await store.store.note()
    assert "cannot be noted" in caplog.text
    note_of(store.path).rmdir()


async def test_open_files_are_noted_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from chat.observer import NullObserver
    from tests.support.waiting import until

    monkeypatch.setattr("storage.personas.NOTE_EVERY_S", 0.01)
    assert NOTE_EVERY_S > 1
    files = PersonaFiles(Settings(data=str(tmp_path)), NullObserver())
    store = await files.open("main")
    note_of(store.path).unlink()
    task = asyncio.create_task(files.keep_noted())
    await until(note_of(store.path).exists, "a note")
    task.cancel()
    await asyncio.wait([task])
    await files.close()


async def _expect_swapped(store: OpenStore, cause: str) -> None:
    await store.store.open()
    current = store.store.timeline.current
    assert (current.kind, cause in current.cause) == ("swapped", True), current
    await store.restart()
    assert store.store.timeline.current.kind == "start"


async def _crash(store: OpenStore) -> None:
    await store.store._close_connections()
    store.store._lock.release()


def _copy(store: OpenStore) -> Path:
    copied = store.path.with_name("copy")
    with closing(sqlite3.connect(store.path)) as source, closing(sqlite3.connect(copied)) as target:
        source.backup(target)
    return copied


def _write_over(path: Path, copied: Path) -> None:
    inode = os.stat(path).st_ino
    for suffix in WITH_SUFFIXES[1:]:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(copied, path)
    assert os.stat(path).st_ino == inode


def _remove(path: Path) -> None:
    for suffix in WITH_SUFFIXES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
