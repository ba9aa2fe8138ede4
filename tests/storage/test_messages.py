"""What the store promises of messages: once, in order, dense, and the same answer for ever."""

from __future__ import annotations

import pytest

from chat.commands import GetMessage, ReadHistory, SendMessage
from chat.drafts import Drafter
from chat.errors import (
    KeyReused,
    PermissionDenied,
    Problem,
    Unknown,
    UnrecoverablePosition,
    VersionMismatch,
)
from chat.models import Message, MessageDeleted, MessageEdited, User
from chat.settings import Settings
from chat.store import Committed, Draft, Sent
from tests.support.stores import OpenStore

KEYS = [
    "k",
    "0193b4a7-1f3c-7def-8123-0123456789ab",
    "0193B4A7-1F3C-7DEF-8123-0123456789AB",
    "0193b4a71f3c7def81230123456789ab",
    "{0193b4a7-1f3c-7def-8123-0123456789ab}",
    "a\x00b",
    "a\x00c",
    "ключ",
    "\u00e9",
    "e\u0301",
    "1",
    "1.0",
    " 1",
    "x" * 128,
]


async def test_a_retry_gets_the_first_answer(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    first = await store.send("alice", conversation, "k")
    again = await store.send("alice", conversation, "k")
    assert (again.seq, again.created_at, again.version) == (first.seq, first.created_at, first.version)
    assert (first.duplicate, again.duplicate) == (False, True)


async def test_a_retry_after_a_restart_names_the_row_and_the_current_epoch(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    first = await store.send("alice", conversation, "k")
    await store.restart()
    again = await store.send("alice", conversation, "k")
    assert again.duplicate
    assert again.version == first.version
    assert again.epoch == store.epoch != first.epoch


async def test_every_key_is_compared_byte_for_byte(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    seqs = [(await store.send("alice", conversation, key)).seq for key in KEYS]
    assert seqs == list(range(1, len(KEYS) + 1))
    page = await store.store.page("bob", ReadHistory(conversation_id=conversation), 100)
    assert [message.client_message_id for message in page.items] == KEYS


@pytest.mark.parametrize(
    "other",
    [
        {"content": "other"},
        {"content_type": "markdown"},
        {"metadata": {"a": 1}},
        {"attachments": [{"a": 1}]},
        {"reply_to": 1},
    ],
)
async def test_a_key_with_another_content_is_refused_and_changes_nothing(
    store: OpenStore, other: dict[str, object]
) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("bob", conversation, "b")
    await store.send("alice", conversation, "k")
    with pytest.raises(KeyReused):
        await store.send("alice", conversation, "k", **other)  # type: ignore[arg-type]
    assert (await store.send("alice", conversation, "next")).seq == 3


async def test_the_order_of_metadata_does_not_make_another_content(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "k", metadata={"a": 1, "b": {"c": 2, "d": 3}})
    assert (await store.send("alice", conversation, "k", metadata={"b": {"d": 3, "c": 2}, "a": 1})).duplicate


async def test_each_sender_has_keys_of_his_own(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    assert (await store.send("alice", conversation, "k")).seq == 1
    assert (await store.send("bob", conversation, "k", "something else")).seq == 2


async def test_equal_keys_inside_one_batch_are_one_new_and_duplicates(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    drafts = [_draft("alice", conversation, "k", "hi")] * 3 + [_draft("alice", conversation, "k", "other")]
    *sent, refused = await store.store.commit(drafts)
    answers = [outcome.answer for outcome in sent if isinstance(outcome, Committed)]
    assert [(answer.seq, answer.duplicate) for answer in answers if isinstance(answer, Sent)] == [
        (1, False),
        (1, True),
        (1, True),
    ]
    assert isinstance(refused, KeyReused)


async def test_one_bad_draft_never_fails_its_neighbours(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    poison = Draft(
        "alice", SendMessage(conversation_id=conversation, client_message_id="\ud800", content="x"), 1, b"f"
    )
    good = [_draft("alice", conversation, str(index)) for index in range(4)]
    outcomes = await store.store.commit([*good[:2], poison, _draft("eve", conversation, "e"), *good[2:]])
    assert [_seq(outcome) for outcome in outcomes] == [1, 2, None, None, 3, 4]
    page = await store.store.page("bob", ReadHistory(conversation_id=conversation), 10)
    assert [message.seq for message in page.items] == [1, 2, 3, 4]


async def test_an_edit_takes_a_seq_and_shows_in_the_message_of_today(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "a")
    await store.send("alice", conversation, "b")
    changed = await store.edit("alice", conversation, 1, "better")
    assert (changed.seq, changed.message_seq) == (3, 1)
    message = await store.store.message("bob", GetMessage(conversation_id=conversation, seq=1))
    assert (message.content, message.changed_seq, message.version) == ("better", 3, changed.version)


async def test_key_and_fingerprint_survive_edit_and_delete(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "k", "first")
    await store.edit("alice", conversation, 1, "second")
    assert (await store.send("alice", conversation, "k", "first")).duplicate
    await store.delete("alice", conversation, 1)
    assert (await store.send("alice", conversation, "k", "first")).duplicate
    message = await store.store.message("bob", GetMessage(conversation_id=conversation, seq=1))
    assert (message.content, message.deleted_at is not None) == (None, True)


async def test_a_deletion_leaves_nothing_of_what_was_said_in_the_file(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "a", "swordfish", metadata={"m": "swordfish"})
    await store.edit("alice", conversation, 1, "swordfish two", attachments=[{"n": "swordfish"}])
    await store.delete("alice", conversation, 1)
    found = await store.recover("bob", conversation, "", 0)
    assert [type(event) for event in found.events] == [Message, MessageEdited, MessageDeleted]
    assert "swordfish" not in repr(found.events)


async def test_a_recovered_edit_carries_the_version_of_today(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "a")
    await store.edit("alice", conversation, 1, "two")
    third = await store.edit("alice", conversation, 1, "three")
    edits = [event for event in (await store.recover("bob", conversation, "", 0)).events if event.seq > 1]
    assert [(e.seq, e.changed_seq, e.content) for e in edits if isinstance(e, MessageEdited)] == [
        (2, third.seq, "three"),
        (3, third.seq, "three"),
    ]


async def test_deleting_twice_is_the_same_as_once(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    sent = await store.send("alice", conversation, "a")
    first = await store.delete("alice", conversation, 1, version=sent.version)
    again = await store.delete("alice", conversation, 1, version=sent.version)
    assert (again.seq, again.version, again.duplicate) == (first.seq, first.version, True)


async def test_an_edit_with_a_key_is_done_once(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "a")
    first = await store.edit("alice", conversation, 1, "two", idempotency_key="e")
    await store.edit("alice", conversation, 1, "three")
    again = await store.edit("alice", conversation, 1, "two", idempotency_key="e")
    assert (again.seq, again.duplicate) == (first.seq, True)
    with pytest.raises(KeyReused):
        await store.edit("alice", conversation, 1, "four", idempotency_key="e")


async def test_an_edit_against_an_older_version_is_refused(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    sent = await store.send("alice", conversation, "a")
    await store.edit("alice", conversation, 1, "two", version=sent.version)
    with pytest.raises(VersionMismatch):
        await store.edit("alice", conversation, 1, "three", version=sent.version)


async def test_a_version_of_another_past_is_never_applied_to_its_successor(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "a")
    for version in ("abandoned.1", f"{store.epoch}.9"):
        with pytest.raises(UnrecoverablePosition):
            await store.edit("alice", conversation, 1, "two", version=version)
        with pytest.raises(UnrecoverablePosition):
            await store.delete("alice", conversation, 1, version=version)
        with pytest.raises(UnrecoverablePosition):
            await store.send("bob", conversation, "r", reply_to=1, reply_to_version=version)


async def test_a_version_of_another_message_is_refused(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "a")
    other = await store.send("alice", conversation, "b")
    with pytest.raises(UnrecoverablePosition):
        await store.edit("alice", conversation, 1, "two", version=other.version)


async def test_only_the_sender_edits_and_only_he_or_a_moderator_deletes(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob", "carol")
    await store.send("bob", conversation, "b")
    with pytest.raises(PermissionDenied):
        await store.edit("alice", conversation, 1, "mine")
    with pytest.raises(PermissionDenied):
        await store.delete("carol", conversation, 1)
    assert (await store.delete("alice", conversation, 1)).message_seq == 1


async def test_a_deleted_message_cannot_be_edited(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "a")
    await store.delete("alice", conversation, 1)
    with pytest.raises(Unknown):
        await store.edit("alice", conversation, 1, "back")


async def test_a_reply_names_a_message_that_is_there(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    sent = await store.send("alice", conversation, "a")
    await store.send("bob", conversation, "b", reply_to=1, reply_to_version=sent.version)
    with pytest.raises(Unknown):
        await store.send("bob", conversation, "c", reply_to=7)
    assert (await store.send("bob", conversation, "b", reply_to=1)).duplicate


async def test_whoever_is_no_member_learns_nothing(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "a")
    missing = conversation[:-1] + ("0" if conversation[-1] != "0" else "1")
    for target in (conversation, missing):
        with pytest.raises(Unknown):
            await store.send("eve", target, "e")
        with pytest.raises(Unknown):
            await store.store.page("eve", ReadHistory(conversation_id=target), 10)
        with pytest.raises(Unknown):
            await store.recover("eve", target, "", 0)


def _draft(user: str, conversation: str, key: str, content: str = "hi") -> Draft:
    command = SendMessage(conversation_id=conversation, client_message_id=key, content=content)
    return Drafter(Settings()).draft(User(user), command)


def _seq(outcome: Committed | Problem) -> int | None:
    return outcome.answer.seq if isinstance(outcome, Committed) and isinstance(outcome.answer, Sent) else None
