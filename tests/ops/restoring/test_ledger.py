"""A step back on a machine without a ledger: what was removed and deleted since is learnt from the newest copy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from chat.commands import ReadHistory, RemoveMember
from chat.errors import Unknown
from ops.restoring import ledger, moment
from ops.restoring.inplace import Outcome, restore_in_place
from ops.restoring.mark import SKIP
from ops.restoring.place import Place
from ops.restoring.refusal import Refused
from ops.restoring.request import Request, run
from storage.engine import sqlite3
from storage.ledger import Ledger, entries_since
from tests.ops.restoring.replicated import Replicated
from tests.support.stores import OpenStore


@pytest.fixture
async def lost(
    replicated: Replicated, store: OpenStore, place: Place, tmp_path: Path
) -> tuple[Place, str, int]:
    """Remove a member and delete a message, lose the machine, and return what is left, and a moment before."""
    conversation = await store.create("alice", "bob", "carol")
    await store.send("alice", conversation, "k", "to be deleted")
    at_ms = replicated.sync()
    await store.write("alice", RemoveMember(conversation_id=conversation, user="bob"))
    await store.delete("alice", conversation, 1)
    replicated.sync()
    await store.store.close()
    replicated.stop()
    shutil.move(place.data / "replica", tmp_path / "replica")
    shutil.rmtree(place.data)
    return Place(data=place.data, replica=str(tmp_path / "replica")), conversation, at_ms


async def test_on_a_new_machine_what_was_removed_since_does_not_come_back(
    lost: tuple[Place, str, int], store: OpenStore
) -> None:
    place, conversation, at_ms = lost
    told: list[Outcome] = []

    def consent(outcome: Outcome) -> bool:
        told.append(outcome)
        return True

    asked = Request(at=moment.iso(at_ms), in_place=True)
    answer = run(place, asked, consent)
    said = "1 departures of members and 1 deletions came after that moment"
    assert any(said in note for note in told[0].notes)
    assert any(said in note for note in answer.notes)
    assert not list(place.data.glob("restores/staging-*"))
    await store.restart()
    with pytest.raises(Unknown):
        await store.recover("bob", conversation, "", 0)
    page = await store.store.page("carol", ReadHistory(conversation_id=conversation), 10)
    assert [(each.content, each.deleted_at is None) for each in page.items] == [(None, False)]
    assert (await store.recover("carol", conversation, "", 0)).top.seq == 3


async def test_it_can_be_waived_and_then_nothing_more_is_fetched(
    lost: tuple[Place, str, int], store: OpenStore
) -> None:
    place, conversation, at_ms = lost
    asked = Request(at=moment.iso(at_ms), in_place=True, ledger=SKIP)
    assert not any("ledger" in note for note in run(place, asked, lambda _: True).notes)
    await store.restart()
    assert (await store.recover("bob", conversation, "", 0)).role == "member"


async def test_a_rehearsal_tells_what_it_would_cost_and_the_newest_copy_costs_nothing(
    lost: tuple[Place, str, int],
) -> None:
    place, _, at_ms = lost
    rehearsed = run(place, Request(at=moment.iso(at_ms), dry_run=True), lambda _: True)
    assert any("fetches the newest copy, too" in note for note in rehearsed.notes)
    latest = run(place, Request(latest=True, dry_run=True), lambda _: True)
    assert not any("ledger" in note for note in latest.notes)
    assert not (place.data / ledger.LEDGER_FILE).exists()


@pytest.mark.parametrize("step", ["the copies are checked", "the ledger is written", "the intent is written"])
async def test_a_restore_that_is_killed_on_the_way_forgets_nothing(
    lost: tuple[Place, str, int], store: OpenStore, step: str
) -> None:
    place, conversation, at_ms = lost

    def stop(done: str) -> None:
        if done == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore_in_place(place, ["main.db"], at_ms, lambda _: True, cause="a test", step=stop)
    restore_in_place(place, ["main.db"], at_ms, lambda _: True, cause="a test")
    await store.restart()
    with pytest.raises(Unknown):
        await store.recover("bob", conversation, "", 0)


async def test_a_ledger_that_was_brought_from_elsewhere_is_completed(
    lost: tuple[Place, str, int], store: OpenStore
) -> None:
    place, conversation, at_ms = lost
    place.data.mkdir()
    brought = {"record": "opened", "file": "main.db", "epoch": "of_the_old_machine"}
    (place.data / ledger.LEDGER_FILE).write_text(json.dumps(brought))
    run(place, Request(at=moment.iso(at_ms), in_place=True), lambda _: True)
    await store.restart()
    with pytest.raises(Unknown):
        await store.recover("bob", conversation, "", 0)


async def test_where_the_newest_copy_cannot_be_had_nobody_is_let_back_in_by_accident(
    lost: tuple[Place, str, int],
) -> None:
    place, _, at_ms = lost
    pieces = sorted(Path(place.replica).glob("main/ltx/0/*.ltx"))
    newest = pieces[-1]
    first, last = (int(part, 16) for part in newest.stem.split("-"))
    beyond = newest.with_name(f"{first + 5:016x}-{last + 5:016x}.ltx")
    shutil.copy(newest, beyond)
    with pytest.raises(Refused, match="--ledger skip"):
        run(place, Request(at=moment.iso(at_ms), in_place=True), lambda _: True)


async def test_the_copy_says_the_same_as_the_server_writes_down(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob", "carol")
    await store.send("alice", conversation, "k", "hello")
    await store.delete("alice", conversation, 1)
    await store.write("alice", RemoveMember(conversation_id=conversation, user="bob"))
    await store.store.close()
    found = ledger.events(store.path, "main.db")
    connection = sqlite3.connect(store.path)
    written = entries_since(connection, "main", 0)
    connection.close()
    assert len(found) == 2
    (store.path.parent / ledger.LEDGER_FILE).unlink()
    ledger.append(store.path.parent, found)
    assert list(Ledger(store.path).read("main").entries.values()) == written
