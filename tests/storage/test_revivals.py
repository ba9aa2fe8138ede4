"""A conversation comes back from a copy into the live file: what is missing anew, what was deleted in its old place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from chat.broker import MemoryBroker
from chat.commands import AddMember, DeleteConversation, RemoveMember, SendMessage
from chat.errors import KeyReused, Unavailable, Unknown
from chat.ids import MAIN
from chat.observer import NullObserver
from chat.revival import MESSAGES_PER_DRAFT_MAX, revive
from chat.store import Revived
from chat.writer import Writer
from storage.archives import Missing, RestoredArchives, missing
from storage.engine import sqlite3
from tests.support.stores import OpenStore


async def test_a_deleted_message_comes_back_in_its_place_and_a_missing_one_as_a_new_one(
    store: OpenStore,
) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "first", "one")
    await store.send("bob", conversation, "second", "two", reply_to=1)
    await store.send("bob", conversation, "third", "three")
    copied = _copy(store)
    await _lose(store, conversation, "second")
    await store.delete("alice", conversation, 1)
    before = (await store.recover("bob", conversation, "", 0)).top
    revived = await _revive(store, conversation)
    assert revived == Revived(
        conversation_id=conversation, messages_added=1, messages_restored=1, messages_kept=1
    )
    found = (await store.recover("bob", conversation, store.epoch, before.seq, before)).events
    assert [(event.type, event.content) for event in map(_plain, found)] == [
        ("message.restored", "one"),
        ("message", "two"),
    ]
    assert [event.reply_to for event in map(_plain, found) if event.type == "message"] == [1]
    assert missing(store.path, copied, conversation) == Missing(
        conversation="stands", missing=0, deleted=0, kept=3, members_added=0, messages=3, members=2
    )


async def test_to_bring_back_twice_changes_nothing_more(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "k")
    _copy(store)
    await store.delete("alice", conversation, 1)
    await _revive(store, conversation)
    top = (await store.recover("bob", conversation, "", 0)).top
    again = await _revive(store, conversation)
    assert (again.messages_kept, again.messages_restored) == (1, 0)
    assert (await store.recover("bob", conversation, "", 0)).top == top


async def test_a_retry_of_what_came_back_finds_it_under_its_old_key_with_its_old_time(
    store: OpenStore,
) -> None:
    conversation = await store.create("alice", "bob")
    sent = await store.send("alice", conversation, "k", "hello")
    _copy(store)
    await _lose(store, conversation, "k")
    await _revive(store, conversation)
    again = await store.send("alice", conversation, "k", "hello")
    assert (again.duplicate, again.created_at) == (True, sent.created_at)
    with pytest.raises(KeyReused):
        await store.send("alice", conversation, "k", "something else")


async def test_a_deleted_conversation_comes_back_with_its_members(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob", title="Dinner")
    await store.send("alice", conversation, "k")
    _copy(store)
    await store.write("alice", DeleteConversation(conversation_id=conversation))
    revived = await _revive(store, conversation)
    assert revived.undeleted
    found = await store.recover("bob", conversation, "", 0)
    assert [_plain(event).type for event in found.events] == [
        "message",
        "conversation.deleted",
        "conversation.restored",
    ]
    await store.send("bob", conversation, "again")


async def test_what_is_told_before_is_what_comes_back(store: OpenStore) -> None:
    oldest = _copy(store, "oldest")
    conversation = await store.create("alice", "bob", "carol")
    for number in range(3):
        await store.send("alice", conversation, f"k{number}")
    copied = _copy(store)
    await store.write("alice", RemoveMember(conversation_id=conversation, user="carol"))
    await store.delete("alice", conversation, 1)
    await store.send("alice", conversation, "later")
    await store.write("alice", DeleteConversation(conversation_id=conversation))
    assert missing(store.path, copied, conversation) == Missing(
        conversation="deleted", missing=0, deleted=1, kept=2, members_added=0, messages=4, members=2
    )
    assert missing(oldest, copied, conversation) == Missing(
        conversation="missing", missing=3, deleted=0, kept=0, members_added=3, messages=3, members=3
    )
    with pytest.raises(Unknown, match="the copy does not have that conversation"):
        missing(store.path, oldest, conversation)


async def test_a_conversation_that_is_missing_comes_back_whole_under_its_id(store: OpenStore) -> None:
    oldest = _copy(store, "oldest")
    conversation = await store.create("alice", "bob", title="Dinner", idempotency_key="dinner")
    for number in range(3):
        await store.send("alice", conversation, f"k{number}", f"text {number}")
    _copy(store)
    await store.store.close()
    _put(store, oldest)
    await store.store.open()
    revived = await _revive(store, conversation)
    assert (revived.created, revived.members_added, revived.messages_added) == (True, 2, 3)
    found = await store.recover("bob", conversation, "", 0)
    assert [_plain(event).content for event in found.events] == ["text 0", "text 1", "text 2"]
    assert await store.create("alice", "bob", title="Dinner", idempotency_key="dinner") == conversation


async def test_who_left_since_stays_away_and_who_was_lost_to_a_rewind_comes_back(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    oldest = _copy(store, "oldest")
    await store.write("alice", AddMember(conversation_id=conversation, user="carol"))
    _copy(store)
    await store.store.close()
    _put(store, oldest)
    await store.store.open()
    await store.write("alice", RemoveMember(conversation_id=conversation, user="bob"))
    revived = await _revive(store, conversation)
    assert revived.members_added == 1
    assert (await store.recover("carol", conversation, "", 0)).role == "member"
    with pytest.raises(Unknown):
        await store.recover("bob", conversation, "", 0)


async def test_who_was_removed_in_an_abandoned_future_stays_away(store: OpenStore) -> None:
    oldest = _copy(store, "oldest")
    conversation = await store.create("alice", "bob")
    _copy(store)
    await store.write("alice", RemoveMember(conversation_id=conversation, user="bob"))
    await store.store.close()
    _put(store, oldest)
    await store.store.open()
    revived = await _revive(store, conversation)
    assert (revived.created, revived.members_added) == (True, 1)
    with pytest.raises(Unknown):
        await store.recover("bob", conversation, "", 0)


async def test_what_has_another_content_under_its_key_today_is_left_alone(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "k", "then")
    _copy(store)
    await _lose(store, conversation, "k")
    await store.send("alice", conversation, "k", "today")
    await store.delete("alice", conversation, 2)
    revived = await _revive(store, conversation)
    assert (revived.messages_refused, revived.messages_restored) == (1, 0)


async def test_a_long_conversation_comes_back_in_many_drafts(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    count = 2 * MESSAGES_PER_DRAFT_MAX + 50
    command = [
        SendMessage(conversation_id=conversation, client_message_id=f"k{number}", content=f"{number}")
        for number in range(count)
    ]
    for each in command:
        await store.write("alice", each)
    _copy(store)
    await _lose(store, conversation)
    revived = await _revive(store, conversation)
    assert revived.messages_added == count


async def test_only_a_copy_in_the_folder_of_restores_is_read(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    archives = RestoredArchives(store.path.parent)
    for name in ("..", "../main", "/etc", "", ".", "a/b", "a\n"):
        with pytest.raises(Unknown):
            archives.archive(name, MAIN)
    with pytest.raises(Unknown):
        archives.archive("nothing", MAIN)
    folder = store.path.parent / "restores"
    folder.mkdir(exist_ok=True)
    (folder / "linked").symlink_to(store.path.parent)
    with pytest.raises(Unknown):
        archives.archive("linked", MAIN)
    (folder / "broken").mkdir()
    (folder / "broken" / "main.db").write_bytes(b"no database" * 100)
    with pytest.raises(Unavailable):
        await archives.archive("broken", MAIN).conversation(conversation)


async def test_a_conversation_that_the_copy_does_not_have_is_unknown(store: OpenStore) -> None:
    _copy(store)
    conversation = await store.create("alice", "bob")
    with pytest.raises(Unknown, match="the copy does not have"):
        await _revive(store, conversation)


async def test_a_copy_of_another_user_is_no_mistake_of_ours(
    store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", forbidden)
    with pytest.raises(Unavailable, match="cannot be read: Permission denied"):
        RestoredArchives(store.path.parent).archive("temporary-1", MAIN)


def _plain(event: Any) -> Any:
    import types

    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(event)
    return types.SimpleNamespace(**{"content": None, "reply_to": None} | fields)


async def _revive(store: OpenStore, conversation: str, name: str = "then") -> Revived:
    archive = RestoredArchives(store.path.parent).archive(name, MAIN)
    async with _writing(store) as writer:
        return await revive(writer, archive, conversation, "operator")


@asynccontextmanager
async def _writing(store: OpenStore) -> AsyncIterator[Writer]:
    writer = Writer(store.store, MemoryBroker(), NullObserver(), store.settings, lambda: None)
    task = asyncio.create_task(writer.run())
    yield writer
    writer.close()
    await task


def _copy(store: OpenStore, name: str = "then") -> Path:
    folder = store.path.parent / "restores" / name
    folder.mkdir(parents=True)
    copied = folder / "main.db"
    with closing(sqlite3.connect(store.path)) as source, closing(sqlite3.connect(copied)) as target:
        source.backup(target)
    return copied


def _put(store: OpenStore, copied: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{store.path}{suffix}").unlink(missing_ok=True)
    store.path.write_bytes(copied.read_bytes())


async def _lose(store: OpenStore, conversation: str, key: str = "") -> None:
    """Let a message, or all of them, be missing as after a rewind; their seqs become changes of nobody's interest."""
    await store.store.close()
    with closing(sqlite3.connect(store.path)) as connection, connection:
        chosen = "client_message_id = ?" if key else "? = ''"
        rows = connection.execute(
            f"SELECT conversation, seq, sender, generation FROM messages WHERE {chosen}",  # noqa: S608
            (key,),
        ).fetchall()
        for number, seq, sender, generation in rows:
            connection.execute("DELETE FROM messages WHERE conversation = ? AND seq = ?", (number, seq))
            connection.execute(
                "INSERT INTO changes (conversation, seq, kind, actor, payload, generation, created_ms) "
                "VALUES (?, ?, 'conversation.updated', ?, '{}', ?, 0)",
                (number, seq, sender, generation),
            )
    await store.store.open()
