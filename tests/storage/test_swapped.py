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
