from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from chat.settings import Settings
from storage.blank import make_blank
from storage.engine import sqlite3
from storage.lock import AlreadyServed, FileLock
from storage.moment import damage_of
from storage.space import SpaceFailed, give_back, optimize, rewrite, space_of
from tests.support.files import connect, last_seq, make_file, send
from tests.support.stores import OpenStore

SETTINGS = Settings()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database of which most was deleted from the bottom, as a purge does."""
    path = tmp_path / "main.db"
    make_file(path, messages=1000, content="long" * 500)
    with closing(connect(path)) as connection:
        connection.execute("DELETE FROM messages WHERE seq <= 900")
        connection.execute("UPDATE conversations SET first_seq = 901")
    return path


def without_increments(path: Path) -> None:
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA auto_vacuum = NONE")
        connection.execute("VACUUM")
        connection.execute("PRAGMA journal_mode = WAL")


async def test_a_new_store_can_give_space_back(store: OpenStore) -> None:
    assert space_of(store.path).incremental


def test_a_file_with_something_in_it_is_left_as_it_is(file: Path) -> None:
    before = file.read_bytes()

    make_blank(file)

    assert file.read_bytes() == before


def test_free_pages_are_told_and_given_back(file: Path) -> None:
    before = space_of(file)
    assert 0.5 < before.free_share < 1

    give_back(file, SETTINGS)

    after = space_of(file)
    assert after.free_bytes == 0
    assert after.size_bytes == file.stat().st_size < before.size_bytes / 2
    assert damage_of(file) == []
    assert last_seq(file) == 1000


def test_a_writer_gets_its_turn_between_the_slices(file: Path) -> None:
    told: list[tuple[int, int]] = []
    with closing(connect(file)) as writer:

        def write(done: int, total: int) -> None:
            told.append((done, total))
            writer.execute("PRAGMA busy_timeout = 0")
            send(writer, 1000 + len(told))

        give_back(file, SETTINGS, write)

    assert len(told) > 2
    assert told[-1][0] == told[-1][1]
    assert last_seq(file) == 1000 + len(told)


def test_a_file_that_cannot_shrink_in_steps_says_what_can(file: Path) -> None:
    without_increments(file)

    with pytest.raises(SpaceFailed, match="vacuum --full"):
        give_back(file, SETTINGS)


def test_a_full_rewrite_makes_a_file_small_and_able_to_shrink_in_steps(file: Path) -> None:
    without_increments(file)
    with closing(connect(file)) as connection:
        connection.execute("DELETE FROM messages WHERE seq <= 990")
    told: list[tuple[int, int]] = []

    rewrite(file, SETTINGS, lambda done, total: told.append((done, total)))

    after = space_of(file)
    assert (after.free_bytes, after.incremental) == (0, True)
    assert damage_of(file) == []
    assert last_seq(file) == 1000
    assert told[-1][0] == told[-1][1] == after.size_bytes
    assert sorted(each.name for each in file.parent.iterdir()) == ["main.db", "main.db.lock"]


def test_a_full_rewrite_of_a_served_file_is_refused(file: Path) -> None:
    lock = FileLock(file)
    lock.acquire()

    with pytest.raises(AlreadyServed):
        rewrite(file, SETTINGS)

    lock.release()


def test_a_damaged_file_is_not_rewritten(file: Path) -> None:
    with file.open("r+b") as raw:
        raw.seek(5 * 4096)
        raw.write(b"x" * 4096)
    before = file.read_bytes()

    with pytest.raises(SpaceFailed):
        rewrite(file, SETTINGS)

    assert file.read_bytes() == before


def test_statistics_are_kept_where_they_help(file: Path) -> None:
    with closing(connect(file)) as connection:
        optimize(connection)

        assert (
            connection.execute("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'messages'").fetchone()[0] > 0
        )


async def test_a_store_keeps_its_statistics_when_it_closes(store: OpenStore) -> None:
    conversation = await store.create("alice")
    for number in range(20):
        await store.send("alice", conversation, f"key-{number}")

    await store.restart()

    with closing(sqlite3.connect(str(store.path))) as connection:
        assert (
            connection.execute("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'messages'").fetchone()[0] > 0
        )


async def test_a_store_can_be_optimized_between_two_batches(store: OpenStore) -> None:
    conversation = await store.create("alice")

    await store.store.optimize()

    assert (await store.send("alice", conversation, "after")).seq > 0
