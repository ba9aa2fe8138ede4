"""What was removed or deleted does not come back with a restore, unless the operator says so."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chat.commands import AddMember, RemoveMember
from chat.errors import Unknown
from chat.store import StoreFailed
from storage.engine import sqlite3
from storage.ledger import LEDGER_FILE
from tests.support.stores import OpenStore

EPOCHS = iter(f"restored{number}" for number in range(1000))


async def test_removals_and_deletions_stand_in_the_ledger_without_a_word_of_what_was_said(
    store: OpenStore,
) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "k", "a secret")
    await store.delete("alice", conversation, 1)
    await _remove(store, conversation, "bob")
    text = _ledger(store).read_text()
    assert "secret" not in text
    events = [line for line in map(json.loads, text.splitlines()) if line["record"] == "event"]
    assert [(each["kind"], each["seq"]) for each in events] == [("message.deleted", 2), ("member.left", 3)]
    assert _ledger(store).stat().st_mode & 0o777 == 0o600


async def test_a_restore_brings_back_neither_a_removed_member_nor_a_deleted_message(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob", "carol")
    await store.send("alice", conversation, "k", "to be deleted")
    copied = _copy(store)
    await store.delete("alice", conversation, 1)
    await _remove(store, conversation, "bob")
    await _restore(store, copied)
    await _expect_gone(store, conversation)
    await store.restart()
    assert (await store.recover("carol", conversation, "", 0)).top.seq == 3, "it is applied once"


async def test_a_file_that_was_swapped_by_hand_gets_the_ledger_too(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob", "carol")
    await store.send("alice", conversation, "k")
    copied = _copy(store)
    await store.delete("alice", conversation, 1)
    await _remove(store, conversation, "bob")
    await store.store.close()
    _put(store, copied)
    await store.store.open()
    assert store.store.timeline.current.kind == "swapped"
    await _expect_gone(store, conversation)


async def test_a_restore_can_waive_the_ledger_for_good(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    copied = _copy(store)
    await _remove(store, conversation, "bob")
    await _restore(store, copied, ledger="skip")
    assert (await store.recover("bob", conversation, "", 0)).top.seq == 0
    await _restore(store, copied)
    assert (await store.recover("bob", conversation, "", 0)).top.seq == 0, (
        "waived once, it does not come again"
    )


async def test_whoever_came_back_after_his_removal_stays(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    copied = _copy(store)
    await _remove(store, conversation, "bob")
    await store.write("alice", AddMember(conversation_id=conversation, user="bob"))
    await _restore(store, copied)
    assert (await store.recover("bob", conversation, "", 0)).top.seq == 0


async def test_a_restore_of_a_restore_applies_what_stood_in_the_first(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    oldest = _copy(store)
    await _remove(store, conversation, "bob")
    removed = _copy(store)
    await store.write("alice", AddMember(conversation_id=conversation, user="bob"))
    await _restore(store, removed)
    with pytest.raises(Unknown):
        await store.recover("bob", conversation, "", 0)
    await _restore(store, oldest)
    with pytest.raises(Unknown):
        await store.recover("bob", conversation, "", 0)


async def test_the_owner_who_left_is_gone_after_a_restore_and_his_heir_is_the_owner(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    copied = _copy(store)
    await store.write("alice", RemoveMember(conversation_id=conversation, user="alice"))
    await _restore(store, copied)
    assert (await store.recover("bob", conversation, "", 0)).role == "owner"
    with pytest.raises(Unknown):
        await store.recover("alice", conversation, "", 0)


async def test_what_a_crash_kept_out_of_the_ledger_is_there_after_the_next_start(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    before = _ledger(store).read_bytes()
    await _remove(store, conversation, "bob")
    await store.store._close_connections()
    store.store._lock.release()
    _ledger(store).write_bytes(before + b'{"record":"ev')
    await store.store.open()
    lines = [line for line in _ledger(store).read_bytes().splitlines() if b"member.left" in line]
    assert len(lines) == 1
    await store.restart()
    assert _ledger(store).read_bytes().count(b"member.left") == 1, "what stands there is not written twice"


async def test_a_ledger_that_cannot_be_written_costs_no_answer(
    store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    conversation = await store.create("alice", "bob")
    aside = _ledger(store).rename(_ledger(store).with_suffix(".aside"))
    _ledger(store).mkdir()
    await _remove(store, conversation, "bob")
    assert "the next start catches up" in caplog.text
    _ledger(store).rmdir()
    aside.rename(_ledger(store))
    await store.restart()
    assert b"member.left" in _ledger(store).read_bytes()


async def test_a_ledger_that_cannot_be_read_stops_a_restored_file_and_no_other(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    copied = _copy(store)
    await _remove(store, conversation, "bob")
    await store.store.close()
    aside = _ledger(store).rename(_ledger(store).with_suffix(".aside"))
    _ledger(store).mkdir()
    await store.store.open()
    await store.store.close()
    _put(store, copied, "apply")
    with pytest.raises(StoreFailed, match="people who were removed would come back"):
        await store.store.open()
    _ledger(store).rmdir()
    aside.rename(_ledger(store))
    await store.store.open()
    with pytest.raises(Unknown):
        await store.recover("bob", conversation, "", 0)


async def _remove(store: OpenStore, conversation: str, user: str) -> None:
    await store.write("alice", RemoveMember(conversation_id=conversation, user=user))


async def _expect_gone(store: OpenStore, conversation: str) -> None:
    with pytest.raises(Unknown):
        await store.recover("bob", conversation, "", 0)
    found: list[Any] = (await store.recover("carol", conversation, "", 0)).events
    assert (found[0].content, found[0].deleted_at is not None) == (None, True)


async def _restore(store: OpenStore, copied: Path, ledger: str = "apply") -> None:
    await store.store.close()
    _put(store, copied, ledger)
    await store.store.open()


def _put(store: OpenStore, copied: Path, ledger: str = "") -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{store.path}{suffix}").unlink(missing_ok=True)
    store.path.write_bytes(copied.read_bytes())
    if ledger:
        with closing(sqlite3.connect(store.path)) as connection, connection:
            connection.execute(
                "INSERT INTO generations (epoch, kind, since_ms, cause, synchronous, ledger) "
                "VALUES (?, 'restore', 0, 'a restore', 'full', ?)",
                (next(EPOCHS), ledger),
            )


def _ledger(store: OpenStore) -> Path:
    return store.path.with_name(LEDGER_FILE)


def _copy(store: OpenStore) -> Path:
    copied = store.path.with_name(f"copy{len(os.listdir(store.path.parent))}")
    with closing(sqlite3.connect(store.path)) as source, closing(sqlite3.connect(copied)) as target:
        source.backup(target)
    return copied
