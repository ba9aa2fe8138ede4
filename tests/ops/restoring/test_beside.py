"""Copies restored beside: of the moment that was asked for, checked, and refused where the replica has a hole."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.restoring import moment
from ops.restoring.beside import restore_beside, temporary_copy
from ops.restoring.litestream import Litestream
from ops.restoring.place import Place
from ops.restoring.plan import plan
from ops.restoring.refusal import Refused
from tests.ops.restoring.replicated import Replicated, beat, query
from tests.support.stores import OpenStore

MESSAGES = "SELECT count(*) FROM messages"


async def test_a_copy_is_of_the_moment_that_was_asked_for(
    store: OpenStore, replicated: Replicated, place: Place
) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "early")
    beaten_ms = beat(store.path)
    at_ms = replicated.sync()
    await store.send("alice", conversation, "late")
    replicated.sync()
    with temporary_copy(place, "main.db", at_ms) as copy:
        assert query(copy.path, MESSAGES) == [(1,)]
        assert copy.standing.heartbeat_ms == beaten_ms
        assert copy.standing.messages == 1
        assert copy.standing.epoch == store.epoch
    assert not copy.path.exists()
    with temporary_copy(place, "main.db") as latest:
        assert latest.standing.messages == 2
        assert latest.plan.last > copy.plan.last


async def test_several_files_come_back_at_one_moment(tmp_path: Path, place: Place) -> None:
    files = ("main.db", "persona_luna.db", "persona_mio.db")
    async with (
        OpenStore(place.data / files[0]) as first,
        OpenStore(place.data / files[1]) as second,
        OpenStore(place.data / files[2]) as third,
    ):
        stores = (first, second, third)
        with Replicated(place, files) as replicated:
            conversations = [await each.create("alice", "bob") for each in stores]
            for each, conversation in zip(stores, conversations, strict=True):
                await each.send("alice", conversation, "early")
            at_ms = replicated.sync()
            for each, conversation in zip(stores, conversations, strict=True):
                await each.send("alice", conversation, "late")
            replicated.sync()
    copies = restore_beside(place, files, at_ms, tmp_path / "copies")
    assert [copy.standing.messages for copy in copies] == [1, 1, 1]


async def test_what_is_complete_is_not_fetched_twice(
    store: OpenStore, replicated: Replicated, place: Place, tmp_path: Path
) -> None:
    at_ms = replicated.sync()
    folder = tmp_path / "copies"
    first = restore_beside(place, ["main.db"], at_ms, folder)[0]
    inode = first.path.stat().st_ino
    assert restore_beside(place, ["main.db"], at_ms, folder)[0].path.stat().st_ino == inode


async def test_a_hole_is_refused_whether_a_moment_was_asked_for_or_not(
    store: OpenStore, replicated: Replicated, place: Place
) -> None:
    conversation = await store.create("alice", "bob")
    lost: set[Path] = set()
    for number in range(8):
        before = copied(place)
        await store.send("alice", conversation, f"message {number}")
        replicated.sync()
        if number == 3:
            lost = copied(place) - before
    replicated.stop()
    assert lost
    names = {path.name for path in lost}
    first, last = min(names)[:16], max(names)[17:33]
    for path in copied(place):
        if path.name[:16] <= last and path.name[17:33] >= first:
            path.unlink()
    # Litestream itself would go back to before the hole, and say nothing.
    assert Litestream(place, "main").plan(moment.now_ms())[-1].last < int(first, 16)
    for at_ms in (None, moment.now_ms()):
        with pytest.raises(
            Refused, match=r"Copies of main.db are missing: transactions .* --at 2.*whole copy"
        ):
            plan(place, "main.db", at_ms)


def copied(place: Place) -> set[Path]:
    """Name the files of main.db's replica."""
    return set(Path(place.target).rglob("*.ltx"))


async def test_a_damaged_copy_is_refused(
    store: OpenStore, replicated: Replicated, place: Place, tmp_path: Path
) -> None:
    replicated.sync()
    copy = restore_beside(place, ["main.db"], None, tmp_path / "copies")[0]
    content = bytearray(copy.path.read_bytes())
    content[4096 * 3 : 4096 * 3 + 64] = bytes(64)
    copy.path.write_bytes(content)
    with pytest.raises(Refused, match="damaged"):
        restore_beside(place, ["main.db"], None, tmp_path / "copies")
