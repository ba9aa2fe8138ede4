"""The watermark: one sync at a time serves all who came before it began, and no ack says more than is proven."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from chat import watermark as watermark_module
from chat.broker import Ephemeral, MemoryBroker
from chat.commands import SendMessage
from chat.errors import KeyReused
from chat.observer import NullObserver
from chat.settings import Settings
from chat.store import Answer, Draft, Sent, Store
from chat.timeline import START, Generation, Timeline
from chat.watermark import Watermark
from chat.writer import Writer
from tests.support.fake_store import EPOCH, FakeStore
from tests.support.scripted_replicator import ScriptedReplicator
from tests.support.waiting import until

HERE = "main:00000000-0000-7000-8000-000000000000"
THERE = "main:00000000-0000-7000-8000-000000000001"
LONG_S = 30.0
SHORT_S = 0.05
NEVER_S = 3600.0
LATER = Timeline([Generation(number=2, epoch="later", kind=START, since_ms=1, cause="test")])


class Counter(NullObserver):
    """Notes what it is told of syncs and of the acks that waited."""

    def __init__(self) -> None:
        self.syncs: list[bool] = []
        self.told: list[str] = []

    def synced(self, sync_s: float, proven: bool) -> None:
        self.syncs.append(proven)

    def held(self, wait_s: float, durability: str) -> None:
        self.told.append(durability)


class Desk:
    """A writer and its watermark on a fake store and a scripted replicator; by itself nothing is synced."""

    def __init__(self, **settings: Any) -> None:
        self.store = FakeStore()
        self.replicator = ScriptedReplicator()
        self.observer = Counter()
        self.notices: list[Ephemeral] = []
        self.log: list[str] = []
        knobs = Settings(**({"replicated_timeout_s": LONG_S, "watermark_s": NEVER_S} | settings))
        store, broker = cast("Store", self.store), MemoryBroker()
        broker.listen(self)
        self.watermark = Watermark("main", store, self.replicator, broker, self.observer, knobs)
        self.writer = Writer(store, broker, self.observer, knobs, lambda: None, self.watermark.note)
        self.tasks = [asyncio.create_task(self.writer.run()), asyncio.create_task(self.watermark.run())]

    def committed(self, batch: Any) -> None:
        self.log.append(f"publish {len(batch)}")

    def ephemeral(self, notice: Ephemeral) -> None:
        self.notices.append(notice)

    def send(self, key: str, conversation: str = HERE) -> asyncio.Future[Answer]:
        command = SendMessage(conversation_id=conversation, client_message_id=key, content="hi")
        return self.writer.submit(Draft("alice", command, 1))

    def held(self, key: str, conversation: str = HERE) -> asyncio.Future[Answer]:
        return self.watermark.hold(self.send(key, conversation))

    def moves(self) -> list[tuple[str, str | None, int | None]]:
        return [(notice.channel, notice.epoch, notice.replicated_seq) for notice in self.notices]

    async def close(self) -> None:
        self.store.open_gate.set()
        self.writer.close()
        self.tasks[1].cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    opened = Desk()
    yield opened
    await opened.close()


def durability(answer: object) -> str:
    assert isinstance(answer, Sent)
    return answer.durability


async def test_a_held_ack_comes_after_the_sync_and_says_so(desk: Desk) -> None:
    desk.replicator.gate.clear()
    answer = desk.held("a")
    await until(lambda: desk.replicator.begun, "the sync")
    assert desk.log == ["publish 1"]
    assert not answer.done()
    desk.replicator.gate.set()
    assert durability(await answer) == "replicated"
    assert desk.observer.told == ["replicated"]


async def test_whoever_comes_during_a_sync_is_served_by_the_next_and_all_by_one(desk: Desk) -> None:
    desk.replicator.gate.clear()
    first = desk.held("first")
    await until(lambda: desk.replicator.begun, "the first sync")
    desk.replicator.answers = [True, False]
    late = [desk.held(str(number)) for number in range(50)]
    await until(lambda: len(desk.store.events) == 51, "the commits")
    desk.replicator.gate.set()
    assert durability(await first) == "replicated"
    assert {durability(answer) for answer in await asyncio.gather(*late)} == {"committed"}
    assert (desk.replicator.begun, desk.replicator.under_way_max) == (2, 1)


async def test_a_plain_send_waits_for_nothing_and_causes_no_sync(desk: Desk) -> None:
    desk.replicator.gate.clear()
    assert durability(await desk.send("a")) == "committed"
    assert desk.replicator.begun == 0


@pytest.mark.parametrize("failure", [False, RuntimeError("a mistake")])
async def test_a_sync_that_fails_is_told_as_committed_at_once(desk: Desk, failure: bool | Exception) -> None:
    desk.replicator.answers = [failure]
    assert durability(await desk.held("a")) == "committed"
    assert durability(await desk.held("b")) == "replicated"
    assert desk.observer.syncs == [False, True]


async def test_a_sync_that_hangs_is_told_as_committed_in_time() -> None:
    desk = Desk(replicated_timeout_s=SHORT_S)
    desk.replicator.gate.clear()
    assert durability(await desk.held("a")) == "committed"
    assert durability(await desk.held("b")) == "committed"
    assert desk.replicator.begun == 1
    assert desk.observer.told == ["committed", "committed"]
    await desk.close()


async def test_a_draft_that_is_refused_is_refused_without_a_sync(desk: Desk) -> None:
    desk.store.refusals["bad"] = KeyReused()
    with pytest.raises(KeyReused):
        await desk.held("bad")
    assert desk.replicator.begun == 0


async def test_a_duplicate_waits_for_a_sync_too(desk: Desk) -> None:
    desk.replicator.gate.clear()
    first: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    answer = desk.watermark.hold(first)
    first.set_result(
        Sent(conversation_id=HERE, seq=1, epoch=EPOCH, version="v", created_at=1, duplicate=True)
    )
    await until(lambda: desk.replicator.begun, "the sync")
    assert not answer.done()
    desk.replicator.gate.set()
    assert durability(await answer) == "replicated"


async def test_who_gives_up_waiting_disturbs_nobody(desk: Desk) -> None:
    desk.replicator.gate.clear()
    leaving, staying = desk.held("a"), desk.held("b")
    leaving.cancel()
    await until(lambda: desk.replicator.begun, "the sync")
    desk.replicator.gate.set()
    assert durability(await staying) == "replicated"


async def test_every_conversation_that_moved_is_told_once_per_sync(desk: Desk) -> None:
    desk.replicator.gate.clear()
    sent = [desk.send("1"), desk.send("2"), desk.send("3", THERE)]
    await asyncio.gather(*sent)
    proof = asyncio.create_task(desk.watermark.replicated(LONG_S))
    await until(lambda: desk.replicator.begun, "the sync")
    await desk.send("4")
    desk.replicator.gate.set()
    assert await proof
    assert desk.moves() == [(HERE, EPOCH, 2), (THERE, EPOCH, 3)]
    assert desk.watermark.seq_of(HERE, EPOCH) == 2
    assert await desk.watermark.replicated(LONG_S)
    assert desk.moves()[2:] == [(HERE, EPOCH, 4)]


async def test_the_watermark_moves_by_itself_while_something_is_unproven_and_then_rests() -> None:
    desk = Desk(watermark_s=SHORT_S)
    desk.replicator.answers = [False, False]
    await desk.send("a")
    await until(lambda: desk.moves() == [(HERE, EPOCH, 1)], "the watermark")
    begun = desk.replicator.begun
    assert begun == 3
    await asyncio.sleep(3 * SHORT_S)
    assert desk.replicator.begun == begun
    await desk.send("b")
    await until(lambda: len(desk.moves()) == 2, "the next move")
    await desk.close()


async def test_what_was_committed_under_an_epoch_that_ended_during_the_sync_is_not_proven(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.replicator.gate.clear()
    answer = desk.held("a")
    await until(lambda: desk.replicator.begun, "the sync")
    monkeypatch.setattr(FakeStore, "timeline", LATER)
    desk.replicator.gate.set()
    assert durability(await answer) == "committed"
    assert desk.moves() == []


async def test_who_waits_for_the_next_sync_is_not_served_by_one_of_a_later_epoch(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.replicator.gate.clear()
    first = desk.held("first")
    await until(lambda: desk.replicator.begun, "the first sync")
    before = desk.held("before")
    await until(lambda: desk.log == ["publish 1"] * 2, "whoever waits for the next")
    monkeypatch.setattr(FakeStore, "timeline", LATER)
    after = desk.held("after")
    await until(lambda: desk.log == ["publish 1"] * 3, "another, who wrote to what came then")
    desk.replicator.gate.set()
    said = [durability(answer) for answer in await asyncio.gather(first, before, after)]
    assert said == ["committed", "committed", "replicated"]


async def test_with_replication_off_nobody_waits_and_nothing_is_asked() -> None:
    desk = Desk(replica="off")
    assert durability(await desk.held("a")) == "committed"
    assert not await desk.watermark.replicated(LONG_S)
    assert desk.replicator.begun == 0
    assert desk.tasks[1].done()
    await desk.close()


async def test_at_the_end_those_who_wait_are_told_what_is_so() -> None:
    desk = Desk()
    desk.replicator.gate.clear()
    under_way = desk.held("a")
    await until(lambda: desk.replicator.begun, "the sync")
    waiting = desk.held("b")
    await until(lambda: len(desk.store.events) == 2, "the commit")
    await desk.close()
    assert [durability(answer) for answer in await asyncio.gather(under_way, waiting)] == ["committed"] * 2
    assert not await desk.watermark.replicated(LONG_S)


async def test_too_many_who_wait_are_answered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watermark_module, "WAITING_MAX", 2)
    desk = Desk()
    desk.replicator.gate.clear()
    first = desk.held("first")
    await until(lambda: desk.replicator.begun, "the first sync")
    proofs = [asyncio.create_task(desk.watermark.replicated(LONG_S)) for _ in range(3)]
    done, waiting = await asyncio.wait(proofs, return_when=asyncio.FIRST_COMPLETED)
    assert ([proof.result() for proof in done], len(waiting)) == ([False], 2)
    desk.replicator.gate.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert durability(await first) == "replicated"
    await desk.close()
