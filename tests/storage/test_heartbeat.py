"""The heartbeat row and the checkpoints that the server makes itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.store import StoreFailed
from storage.engine import sqlite3
from tests.support.stores import OpenStore


def heartbeat_of(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("SELECT value FROM meta WHERE key = 'heartbeat'").fetchone()[0])
    finally:
        connection.close()


async def test_the_newest_heartbeat_stands_in_the_file(store: OpenStore) -> None:
    await store.store.beat(1_700_000_000_000)
    await store.store.beat(1_700_000_015_000)

    assert heartbeat_of(store.path) == "1700000015000"


async def test_a_heartbeat_takes_no_seq(store: OpenStore) -> None:
    conversation = await store.create("alice")
    first = await store.send("alice", conversation, "1")
    await store.store.beat(1)

    assert (await store.send("alice", conversation, "2")).seq == first.seq + 1


async def test_a_checkpoint_copies_back_what_nobody_reads(store: OpenStore) -> None:
    await store.create("alice")

    done = await store.store.checkpoint()

    assert done.copied_pages == done.wal_pages > 0


async def test_a_reader_keeps_a_checkpoint_from_ending(store: OpenStore) -> None:
    await store.create("alice")
    reader = sqlite3.connect(store.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM messages").fetchone()
    await store.create("alice")

    done = await store.store.checkpoint()

    reader.close()
    assert done.copied_pages < done.wal_pages


async def test_nothing_is_written_into_a_file_that_was_moved_away(store: OpenStore) -> None:
    store.path.rename(store.path.with_name("elsewhere.db"))

    with pytest.raises(StoreFailed):
        await store.store.beat(1)


async def test_a_store_that_is_closed_takes_no_heartbeat(tmp_path: Path) -> None:
    async with OpenStore(tmp_path / "main.db") as opened:
        closed = opened.store

    with pytest.raises(StoreFailed):
        await closed.beat(1)
