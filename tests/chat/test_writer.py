"""The writer: what gathers is one batch, acks follow the commit, and publishing follows the acks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from chat.broker import MemoryBroker
from chat.commands import SendMessage
from chat.errors import Internal, KeyReused, TooManyRequests, Unavailable
from chat.observer import NullObserver
from chat.settings import Settings
from chat.store import Answer, Committed, Draft, Sent
from chat.writer import Settled, Writer
from tests.support.fake_store import FakeStore, broken
from tests.support.waiting import until

CONVERSATION = "main:00000000-0000-7000-8000-000000000000"
RETRY_S = 0.01


class Desk:
    """A writer on a fake store. `log` is the store's, with the answers and publications in it."""

    def __init__(self, **settings: object) -> None:
        self.store = FakeStore()
        self.log = self.store.log
        self.settings = Settings(write_retry_s=RETRY_S, **settings)  # type: ignore[arg-type]
        self.reopenings = 0
        broker = MemoryBroker()
        broker.listen(self)  # type: ignore[arg-type]
        self.writer = Writer(self.store, broker, NullObserver(), self.settings, self._reopened)
        self.task = asyncio.create_task(self.writer.run())

    def committed(self, batch: Sequence[Committed]) -> None:
        self.log.append(f"publish {len(batch)}")

    def submit(self, *keys: str) -> list[asyncio.Future[Answer]]:
        return [self._submit(key) for key in keys]

    def _submit(self, key: str) -> asyncio.Future[Answer]:
        return self.writer.submit(self._draft(key))

    def put(self, key: str, settled: Settled | None = None) -> None:
        """Queue without a future; without `settled` the answer goes into the log."""
        self.writer.put(self._draft(key), settled or (lambda outcome: self.log.append(f"ack {key}")))

    def _draft(self, key: str) -> Draft:
        command = SendMessage(conversation_id=CONVERSATION, client_message_id=key, content="hi")
        return Draft("alice", command, 1)

    def _reopened(self) -> None:
        self.reopenings += 1
        self.log.append("reopened")


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    opened = Desk()
    yield opened
    opened.store.open_gate.set()
    opened.writer.close()
    await opened.task


def seqs(answers: Sequence[object]) -> list[int]:
    return [answer.seq for answer in answers if isinstance(answer, Sent)]


async def test_what_gathers_while_one_batch_commits_is_the_next_batch(desk: Desk) -> None:
    desk.store.open_gate.clear()
    first = desk.submit("a")
    await until(lambda: desk.log, "the first batch")
    rest = desk.submit(*"bcdef")
    assert desk.writer.queue_depth == 5
    desk.store.open_gate.set()
    assert seqs(await asyncio.gather(*first, *rest)) == [1, 2, 3, 4, 5, 6]
    assert [len(batch) for batch in desk.store.batches] == [1, 5]


async def test_a_batch_has_a_largest_size() -> None:
    desk = Desk(write_batch_max=3)
    await asyncio.gather(*desk.submit(*"abcdefgh"))
    assert [len(batch) for batch in desk.store.batches] == [3, 3, 2]
    desk.writer.close()
    await desk.task


async def test_a_full_queue_refuses_and_takes_again_when_there_is_room() -> None:
    desk = Desk(write_queue_max=2)
    desk.store.open_gate.clear()
    taken = desk.submit("a")
    await until(lambda: desk.log, "the first batch")
    taken += desk.submit("b", "c")
    with pytest.raises(TooManyRequests):
        desk.submit("d")
    desk.store.open_gate.set()
    assert seqs(await asyncio.gather(*taken)) == [1, 2, 3]
    assert seqs(await asyncio.gather(*desk.submit("d"))) == [4]
    desk.writer.close()
    await desk.task


async def test_nothing_is_acked_or_published_before_the_commit_and_acks_come_first(desk: Desk) -> None:
    desk.store.open_gate.clear()
    desk.put("a")
    desk.put("b")
    for _ in range(10):
        await asyncio.sleep(0)
    assert desk.log == ["begin 2"]
    desk.store.open_gate.set()
    await until(lambda: "publish 2" in desk.log, "the publication")
    assert desk.log == ["begin 2", "commit 2", "ack a", "ack b", "publish 2"]


async def test_an_answer_that_cannot_be_handed_over_does_not_touch_the_others(desk: Desk) -> None:
    def broken_door(_: object) -> None:
        raise RuntimeError("the door is broken")

    desk.put("a", broken_door)
    desk.put("b")
    await until(lambda: "publish 2" in desk.log, "the publication")
    assert "ack b" in desk.log


async def test_a_refused_draft_is_told_so_and_its_neighbours_are_published(desk: Desk) -> None:
    desk.store.refusals["bad"] = KeyReused()
    good, bad, also_good = desk.submit("good", "bad", "also good")
    outcomes = await asyncio.gather(good, bad, also_good, return_exceptions=True)
    assert seqs(outcomes) == [1, 2]
    assert isinstance(outcomes[1], KeyReused)
    await until(lambda: "publish 2" in desk.log, "the publication")


async def test_a_batch_of_refusals_publishes_nothing(desk: Desk) -> None:
    desk.store.refusals["bad"] = KeyReused()
    await asyncio.gather(*desk.submit("bad"), return_exceptions=True)
    await asyncio.gather(*desk.submit("good"))
    assert "publish 0" not in desk.log


async def test_a_failed_database_refuses_all_that_wait_and_mends_by_itself(desk: Desk) -> None:
    desk.store.open_gate.clear()
    desk.store.failures.append(broken())
    desk.store.reopen_failures += [broken(), broken()]
    batch = desk.submit("a", "b")
    await until(lambda: desk.log, "the batch")
    queued = desk.submit("c")
    desk.store.open_gate.set()
    outcomes = await asyncio.gather(*batch, *queued, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert all(outcome.retry_after_s == RETRY_S for outcome in outcomes if isinstance(outcome, Unavailable))
    assert desk.writer.failure == "database or disk is full"
    assert desk.writer.failed_ms > 0
    with pytest.raises(Unavailable):
        desk.submit("d")
    await until(lambda: not desk.writer.failure, "writing to be on again")
    assert (desk.log.count("reopen"), desk.reopenings) == (3, 1)
    assert seqs(await asyncio.gather(*desk.submit("d"))) == [1]
    assert "publish 2" not in desk.log


async def test_whoever_listens_is_told_to_catch_up_only_after_writing_is_on_again(desk: Desk) -> None:
    desk.store.failures.append(broken())
    await asyncio.gather(*desk.submit("a"), return_exceptions=True)
    await until(lambda: desk.reopenings, "the reopening")
    assert [entry for entry in desk.log if entry.startswith("reopen")] == ["reopen", "reopened"]
    assert not desk.writer.failure


async def test_nothing_that_goes_wrong_while_it_mends_keeps_it_from_trying_again(desk: Desk) -> None:
    desk.store.failures.append(broken())
    desk.store.reopen_failures += [OSError("no such folder"), ZeroDivisionError("a bug")]
    await asyncio.gather(*desk.submit("a"), return_exceptions=True)
    await until(lambda: not desk.writer.failure, "writing to be on again")
    assert seqs(await asyncio.gather(*desk.submit("a"))) == [1]


async def test_a_failure_that_is_not_the_databases_refuses_its_batch_alone(desk: Desk) -> None:
    desk.store.failures.append(ZeroDivisionError("a bug"))
    outcomes = await asyncio.gather(*desk.submit("a", "b"), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Internal}
    assert seqs(await asyncio.gather(*desk.submit("c"))) == [1]
    assert desk.reopenings == 0


async def test_closing_writes_what_is_queued_and_takes_no_more() -> None:
    desk = Desk(write_batch_max=2)
    desk.store.open_gate.clear()
    answers = desk.submit(*"abcde")
    await until(lambda: desk.log, "the first batch")
    desk.writer.close()
    with pytest.raises(Unavailable):
        desk.submit("late")
    desk.store.open_gate.set()
    await desk.task
    assert seqs([answer.result() for answer in answers]) == [1, 2, 3, 4, 5]
    await until(lambda: desk.log.count("publish 2") == 2 and "publish 1" in desk.log, "the publications")


async def test_closing_ends_a_writer_that_cannot_be_mended() -> None:
    desk = Desk()
    desk.store.failures.append(broken())
    desk.store.reopen_failures += [broken()] * 100_000
    await asyncio.gather(*desk.submit("a"), return_exceptions=True)
    desk.writer.close()
    await asyncio.wait_for(desk.task, 5)
    assert desk.writer.failure


async def test_whoever_gave_up_waiting_does_not_disturb_the_others(desk: Desk) -> None:
    desk.store.open_gate.clear()
    given_up, kept = desk.submit("a", "b")
    await until(lambda: desk.log, "the batch")
    given_up.cancel()
    desk.store.open_gate.set()
    assert seqs([await kept]) == [2]


async def test_who_asks_for_the_file_gets_it_after_what_is_queued_and_sends_are_refused_meanwhile(
    desk: Desk,
) -> None:
    has_it, may_go_on = asyncio.Event(), asyncio.Event()

    async def act() -> None:
        desk.log.append("exchange")
        has_it.set()
        await may_go_on.wait()

    queued = desk.submit("a")
    done = desk.writer.stand_aside(act)
    await has_it.wait()
    with pytest.raises(Unavailable):
        desk.submit("b")
    with pytest.raises(Unavailable):
        desk.writer.stand_aside(act)
    may_go_on.set()
    await done
    assert seqs(await asyncio.gather(*queued)) == [1]
    assert [line for line in desk.log if line in ("commit 1", "exchange", "reopened")] == [
        "commit 1",
        "exchange",
        "reopened",
    ]
    assert seqs(await asyncio.gather(*desk.submit("b"))) == [2]


async def test_an_exchange_that_fails_is_told_and_the_file_is_opened_again(desk: Desk) -> None:
    async def act() -> None:
        raise broken()

    desk.store.reopen_failures = [broken()]
    with pytest.raises(Unavailable, match="full"):
        await desk.writer.stand_aside(act)
    await until(lambda: desk.reopenings == 1, "a reopening")
    assert desk.log.count("reopen") == 2
    assert seqs(await asyncio.gather(*desk.submit("a"))) == [1]


async def test_an_exchange_that_fails_for_a_reason_of_its_own_leaves_a_file_that_is_written(
    desk: Desk,
) -> None:
    async def act() -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(Internal):
        await desk.writer.stand_aside(act)
    await until(lambda: desk.reopenings == 1, "a reopening")
    assert seqs(await asyncio.gather(*desk.submit("a"))) == [1]


async def test_a_writer_that_is_closed_while_an_exchange_cannot_be_mended_ends() -> None:
    desk = Desk()
    desk.store.reopen_failures += [broken()] * 100_000

    async def act() -> None:
        raise broken()

    with pytest.raises(Unavailable):
        await desk.writer.stand_aside(act)
    desk.writer.close()
    await asyncio.wait_for(desk.task, 5)
    assert desk.writer.failure


async def test_a_commit_that_takes_long_is_told(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(slow_query_ms=1)
    desk.store.open_gate.clear()
    answers = desk.submit("a", "b")
    await until(lambda: desk.log, "the batch")
    began_s = time.monotonic()
    await until(lambda: time.monotonic() - began_s > 0.002, "longer than the threshold")
    desk.store.open_gate.set()
    await asyncio.gather(*answers)
    desk.writer.close()
    await desk.task
    (record,) = [record for record in caplog.records if record.getMessage() == "slow commit"]
    assert vars(record)["drafts"] == 2
    assert vars(record)["took_ms"] >= 1


async def test_a_file_that_cannot_be_written_may_be_exchanged(desk: Desk) -> None:
    desk.store.failures = [broken()]
    desk.store.reopen_failures = [broken()] * 1000
    with pytest.raises(Unavailable):
        await asyncio.gather(*desk.submit("a"))

    async def act() -> None:
        desk.log.append("exchange")

    await desk.writer.stand_aside(act)
    await until(lambda: not desk.writer.failure, "writing")
    assert seqs(await asyncio.gather(*desk.submit("a"))) == [1]
