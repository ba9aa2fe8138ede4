"""A session: the one place that decides; writes are queued before it returns, reads are cut to their limits."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from chat.commands import (
    Command,
    CreateConversation,
    DeleteMessage,
    EditMessage,
    ListConversations,
    ListMembers,
    MarkRead,
    ReadEvents,
    ReadHistory,
    ReadPresence,
    SendMessage,
    ShowTyping,
)
from chat.errors import BadRequest, MethodNotFound, Problem, TooManyRequests, Unknown, UnrecoverablePosition
from chat.hub import Wish
from chat.models import Page, User
from chat.presence import Presence, Present
from chat.store import Sent
from tests.support.cores import core_on
from tests.support.fake_store import EPOCH, FakeStore
from tests.support.listening import Ear, PlainWire
from tests.support.scripted_replicator import ScriptedReplicator

HERE = "main:00000000-0000-7000-8000-000000000001"
TYPING = Wish(ephemeral=frozenset({"typing"}))


class CuttingStore(FakeStore):
    """Notes the limits that it is asked with."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[int] = []

    async def page(self, user: str, query: Any, limit: int) -> Any:
        self.limits.append(limit)
        return Page(items=[], next=None, previous=None, epoch=EPOCH, offset=0)

    conversations = members = page


def send(key: str, content: str = "hi") -> SendMessage:
    return SendMessage(conversation_id=HERE, client_message_id=key, content=content)


async def test_writes_are_queued_in_order_before_handle_returns() -> None:
    core = core_on(FakeStore())
    writer = core.files["main"].writer
    alice, bob = core.session(User("alice")), core.session(User("bob"))
    answers = [(alice, bob)[number % 2].handle(send(str(number))) for number in range(6)]
    assert writer.queue_depth == 6
    assert all(isinstance(answer, asyncio.Future) for answer in answers)
    writer.close()
    await writer.run()
    sent = await asyncio.gather(*answers)
    assert [answer.seq for answer in sent if isinstance(answer, Sent)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "command",
    [
        send("k"),
        EditMessage(conversation_id=HERE, seq=1, content="x"),
        DeleteMessage(conversation_id=HERE, seq=1),
        MarkRead(conversation_id=HERE, seq=1),
        CreateConversation(),
    ],
)
async def test_all_that_is_written_comes_back_as_a_future(command: Command) -> None:
    core = core_on(FakeStore())
    answer = core.session(User("alice")).handle(command)
    assert isinstance(answer, asyncio.Future)
    answer.cancel()


async def test_what_is_refused_at_the_door_is_never_queued() -> None:
    core = core_on(FakeStore(), content_bytes_max=3)
    alice = core.session(User("alice"))
    for command in (send("k", "long"), send(""), SendMessage(conversation_id="x", client_message_id="k")):
        with pytest.raises(Problem):
            alice.handle(command)
    for nowhere in ("persona:x", "", HERE.replace("main", "other")):
        with pytest.raises(Unknown):
            alice.handle(ReadHistory(conversation_id=nowhere))
    with pytest.raises(Unknown):
        alice.handle(SendMessage(conversation_id=HERE.replace("main", "other"), client_message_id="k"))
    assert core.files["main"].writer.queue_depth == 0


async def test_one_user_has_one_rate_over_all_his_sessions() -> None:
    core = core_on(FakeStore(), command_rate_per_s=0.1, command_burst=3)
    sessions = [core.session(User("alice")) for _ in range(2)]
    for number in range(3):
        sessions[number % 2].handle(send(str(number))).cancel()  # type: ignore[attr-defined]
    with pytest.raises(TooManyRequests) as refusal:
        sessions[1].handle(send("4"))
    assert refusal.value.retry_after_s is not None
    assert 9 < refusal.value.retry_after_s <= 10
    core.session(User("bob")).handle(send("k")).cancel()  # type: ignore[attr-defined]


async def test_pages_have_a_usual_and_a_largest_size() -> None:
    store = CuttingStore()
    alice = core_on(store, page_default=5, page_max=7, listing_default=2, listing_max=3).session(
        User("alice")
    )
    for limit in (None, 1, 6, 8):
        await alice.handle(ReadHistory(conversation_id=HERE, limit=limit))
    for limit in (None, 3, 4):
        await alice.handle(ListConversations(limit=limit))
        await alice.handle(ListMembers(conversation_id=HERE, limit=limit))
    assert store.limits == [5, 1, 6, 7, 2, 2, 3, 3, 3, 3]


async def test_a_page_has_one_anchor() -> None:
    alice = core_on(CuttingStore()).session(User("alice"))
    await alice.handle(ReadHistory(conversation_id=HERE, before=3))
    for anchors in ({"before": 3, "after": 1}, {"before": 3, "around": 1}, {"after": 3, "around": 1}):
        with pytest.raises(BadRequest):
            alice.handle(ReadHistory(conversation_id=HERE, **anchors))


async def test_who_asks_for_replicated_waits_for_the_replica_and_what_is_read_shows_the_watermark() -> None:
    replicator = ScriptedReplicator()
    core = core_on(CuttingStore(), replicator)
    file, alice = core.files["main"], core.session(User("alice"))
    tasks = [asyncio.create_task(file.writer.run()), asyncio.create_task(file.watermark.run())]
    read = ReadHistory(conversation_id=HERE)
    plain = await alice.handle(send("plain"))
    assert (plain.durability, replicator.begun) == ("committed", 0)
    assert (await alice.handle(read)).replicated_seq is msgspec.UNSET
    sent = await alice.handle(msgspec.structs.replace(send("sure"), durability="replicated"))
    assert (sent.durability, replicator.begun) == ("replicated", 1)
    assert (await alice.handle(read)).replicated_seq == sent.seq == 2
    file.writer.close()
    tasks[1].cancel()
    await asyncio.wait(tasks)


async def test_events_are_paged_from_a_position_that_the_rule_allows() -> None:
    store = FakeStore()
    for _ in range(5):
        store.say(HERE)
    alice = core_on(store).session(User("alice"))
    first = await alice.handle(ReadEvents(conversation_id=HERE, limit=2))
    assert ([event.seq for event in first.items], first.next, first.offset) == ([1, 2], 2, 5)
    rest = await alice.handle(ReadEvents(conversation_id=HERE, epoch=EPOCH, offset=first.next))
    assert ([event.seq for event in rest.items], rest.next) == ([3, 4, 5], None)
    with pytest.raises(UnrecoverablePosition):
        await alice.handle(ReadEvents(conversation_id=HERE, epoch=EPOCH, offset=6))


async def test_typing_passes_by_and_is_told_once_in_a_while() -> None:
    core = core_on(FakeStore())
    ear = Ear("bob", PlainWire())
    ear.listen(core.hub, HERE, wish=TYPING)
    alice = core.session(User("alice"))
    for _ in range(3):
        assert await alice.handle(ShowTyping(conversation_id=HERE)) is None
    assert len(ear.heard) == 1


async def test_typing_and_presence_are_for_members() -> None:
    store = FakeStore()
    store.people = {"bob"}
    core = core_on(store)
    ear = Ear("bob", PlainWire())
    ear.listen(core.hub, HERE, wish=TYPING)
    eve = core.session(User("eve"))
    for command in (ShowTyping(conversation_id=HERE), ReadPresence(conversation_id=HERE)):
        with pytest.raises(Unknown):
            await eve.handle(command)
    assert ear.heard == []
    found = await core.session(User("bob")).handle(ReadPresence(conversation_id=HERE))
    assert found == Presence([Present("bob", 1)])


async def test_a_live_subscription_proves_membership_without_a_read() -> None:
    store = FakeStore()
    core = core_on(store)
    ear = Ear("bob", PlainWire())
    bob = core.session(User("bob"), ear.client)
    await bob.handle(ShowTyping(conversation_id=HERE))
    assert store.reading.is_set()
    store.reading.clear()
    ear.listen(core.hub, HERE)
    await bob.handle(ReadPresence(conversation_id=HERE))
    assert not store.reading.is_set()


async def test_what_is_no_command_is_refused() -> None:
    with pytest.raises(MethodNotFound):
        core_on(FakeStore()).session(User("alice")).handle(Command())
