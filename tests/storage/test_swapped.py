"""A file that is replaced while it is served: reads go on, all of them in the file that is there now."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from chat.commands import ReadHistory
from chat.store import StoreFailed
from storage.engine import sqlite3
from tests.support.stores import OpenStore

READS = 20


async def test_every_read_after_a_swap_sees_the_new_file(store: OpenStore, tmp_path: Path) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "kept", "kept")
    copied = tmp_path / "copy.db"
    with closing(sqlite3.connect(store.path)) as source, closing(sqlite3.connect(copied)) as target:
        source.backup(target)
    await store.send("alice", conversation, "lost", "lost")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{store.path}{suffix}").unlink()
    os.replace(copied, store.path)
    with pytest.raises(StoreFailed):
        await store.send("alice", conversation, "new")
    await store.store.reopen()
    await store.send("alice", conversation, "new", "new")
    for _ in range(READS):
        page = await store.store.page("bob", ReadHistory(conversation_id=conversation), 10)
        assert [message.content for message in page.items] == ["kept", "new"]
        assert page.epoch == store.epoch


async def test_a_file_that_could_not_be_exchanged_is_exchanged_by_the_next_reopening(
    store: OpenStore, tmp_path: Path
) -> None:
    """Whoever wrote to the old one meanwhile would lose it."""
    conversation = await store.create("alice")
    fresh = tmp_path / "fresh.db"
    with closing(sqlite3.connect(store.path)) as source, closing(sqlite3.connect(fresh)) as target:
        source.backup(target)
        target.execute(
            "INSERT INTO generations (epoch, kind, since_ms, cause, synchronous, ended_ms) "
            "VALUES ('restored', 'restore', 0, 'a test', 'full', 0)"
        )
        target.commit()
    failures = [StoreFailed("the disk does not answer")] * 2

    def put() -> None:
        if failures:
            raise failures.pop()
        for suffix in ("-wal", "-shm", ".noted"):
            Path(f"{store.path}{suffix}").unlink(missing_ok=True)
        os.replace(fresh, store.path)

    await store.send("alice", conversation, "lost", "lost")
    for failing in (store.store.exchange(put), store.store.reopen()):
        with pytest.raises(StoreFailed, match="does not answer"):
            await failing
        with pytest.raises(StoreFailed, match="is not open"):
            await store.send("alice", conversation, "new")
    await store.store.reopen()
    await store.send("alice", conversation, "new", "new")
    page = await store.store.page("alice", ReadHistory(conversation_id=conversation), 10)
    assert [message.content for message in page.items] == ["new"]
    assert [each.kind for each in store.store.timeline.since("")] == ["start", "restore", "start"]
