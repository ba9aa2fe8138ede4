"""The loss between two files: counted from where their histories part, not from how long they are."""

from __future__ import annotations

import shutil
from pathlib import Path

from ops.restoring import report
from ops.restoring.loss import loss
from ops.restoring.mark import mark
from ops.restoring.standing import Standing
from tests.ops.restoring.replicated import query
from tests.support.stores import OpenStore


async def test_a_loss_begins_where_the_histories_part(tmp_path: Path) -> None:
    live, branch = tmp_path / "main.db", tmp_path / "branch" / "main.db"
    branch.parent.mkdir()
    async with OpenStore(live) as store:
        conversation = await store.create("alice", "bob")
        shared = await store.send("alice", conversation, "shared")
        gone = await store.send("alice", conversation, "deleted in the live file", "secret")
    shutil.copy(live, branch)
    mark(branch, "a test", "accept").rename(branch)
    async with OpenStore(branch) as other:
        for number in range(3):
            await other.send("bob", conversation, f"in the branch {number}")
    async with OpenStore(live) as store:
        await store.delete("alice", conversation, gone.seq)
        for number in range(2):
            await store.send("alice", conversation, f"in the live file {number}")
    found = loss(live, branch, Standing())
    (lost,) = found.conversations
    assert (lost.messages, lost.changes, lost.deletions_undone, lost.whole) == (2, 1, 1, False)
    assert lost.last_seq == lost.copied_last_seq == shared.seq + 4
    assert lost.conversation_id == conversation


async def test_a_file_that_cannot_be_read_loses_nobody_knows_what(tmp_path: Path) -> None:
    live, copy = tmp_path / "main.db", tmp_path / "copy.db"
    async with OpenStore(copy):
        pass
    live.write_bytes(b"not a database" * 1000)
    found = loss(live, copy, Standing())
    assert "cannot be read" in found.unread
    assert not report.lost(found).endswith(".")
    assert loss(tmp_path / "none.db", copy, Standing()).live is None


async def test_looking_leaves_the_wal_of_a_killed_server_as_it_is(tmp_path: Path) -> None:
    live, left = tmp_path / "main.db", tmp_path / "left" / "main.db"
    async with OpenStore(live) as store:
        await store.send("alice", await store.create("alice", "bob"), "in the WAL")
        shutil.copytree(tmp_path, left.parent, ignore=shutil.ignore_patterns("left"))
    before = Path(f"{left}-wal").read_bytes()
    assert loss(left, live, Standing()).conversations == ()
    assert Path(f"{left}-wal").read_bytes() == before
    assert query(left, "SELECT count(*) FROM messages") == [(1,)]
