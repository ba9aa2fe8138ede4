"""Watermark: what of a database file is proven to be on the replica. One sync pays for all who wait for one.

A sync that answered True proves everything that was committed before it began. So whoever waits is served by the next
one that begins, never by the one under way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from chat.broker import Broker, Ephemeral
from chat.marks import Marks
from chat.models import RowId
from chat.observer import ReplicationObserver
from chat.replication import COMMITTED, REPLICATED, Replicator
from chat.settings import Settings
from chat.store import Answer, Committed, Sent, Store

WAITING_MAX = 10_000
"""Who may wait for the replica at once; one more is answered at once, as stored only."""

TOPIC = "replicated"

logger = logging.getLogger("palaver.replication")


class _Waiting(NamedTuple):
    """Somebody who waits for a proof of what was committed under an epoch."""

    epoch: str
    proof: asyncio.Future[bool]


class Watermark:
    """The watermark of one file. `run` moves it; with replication off it never moves, and nobody waits."""

    def __init__(
        self,
        persona: str,
        store: Store,
        replicator: Replicator,
        broker: Broker,
        observer: ReplicationObserver,
        settings: Settings,
    ) -> None:
        self._persona = persona
        self._store = store
        self._replicator = replicator
        self._broker = broker
        self._observer = observer
        self._settings = settings
        self._marks = Marks()
        self._loop = asyncio.get_running_loop()
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[_Waiting] = []
        self._off = not settings.replicates

    async def run(self) -> None:
        """Sync whenever somebody waits, and now and then while something is unproven; until cancelled."""
        if self._off:
            return
        self._schedule()
        try:
            while True:
                await self._due.wait()
                self._due.clear()
                await self._sync()
        finally:
            self._off = True
            if self._timer is not None:
                self._timer.cancel()
            _settle([each.proof for each in self._waiting], proven=False)

    def note(self, batch: Sequence[Committed]) -> None:
        """Take notice of what was just committed, before anything else is."""
        if not self._off:
            self._marks.note(self._store.timeline.epoch, batch)
            self._schedule()

    async def replicated(self, timeout_s: float) -> bool:
        """Wait until everything that is committed now is on the replica; False: not proven within the time."""
        return await self._proof(timeout_s)

    def hold(self, answer: asyncio.Future[Answer]) -> asyncio.Future[Answer]:
        """Return a future of the same answer that settles when what it tells of is on the replica too.

        It says so in its `durability`; after `replicated_timeout_s`, or where the sync failed, it says `committed`.
        """
        held: asyncio.Future[Answer] = self._loop.create_future()
        answer.add_done_callback(partial(self._committed, held))
        return held

    def seq_of(self, conversation_id: str, epoch: str, top: RowId | None = None) -> int | None:
        """Return how far a conversation is on the replica under `epoch`, None where that is not known.

        `top` is its newest row, if it was read.
        """
        return self._marks.seq_of(conversation_id, epoch, top)

    def _committed(self, held: asyncio.Future[Answer], answer: asyncio.Future[Answer]) -> None:
        if answer.cancelled():
            held.cancel()
            return
        error = answer.exception()
        if held.done():
            return
        if error is not None:
            held.set_exception(error)
            return
        proof = self._proof(self._settings.replicated_timeout_s)
        proof.add_done_callback(partial(self._answer, held, answer.result(), time.monotonic()))

    def _answer(
        self, held: asyncio.Future[Answer], answer: Answer, since_s: float, proof: asyncio.Future[bool]
    ) -> None:
        durability = REPLICATED if proof.result() else COMMITTED
        self._observer.held(time.monotonic() - since_s, durability)
        if held.done():
            return
        held.set_result(
            msgspec.structs.replace(answer, durability=durability) if isinstance(answer, Sent) else answer
        )

    def _proof(self, timeout_s: float) -> asyncio.Future[bool]:
        """Wait for the next sync that begins, at most `timeout_s`; the future settles in any case."""
        proof: asyncio.Future[bool] = self._loop.create_future()
        if self._off or len(self._waiting) >= WAITING_MAX:
            proof.set_result(False)
            return proof
        timer = self._loop.call_later(timeout_s, partial(_settle, [proof], proven=False))
        proof.add_done_callback(lambda _: timer.cancel())
        self._waiting.append(_Waiting(self._store.timeline.epoch, proof))
        self._due.set()
        return proof

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._settings.watermark_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if not self._marks.complete:
            self._due.set()

    async def _sync(self) -> None:
        asked, self._waiting = self._waiting, []
        epoch = self._store.timeline.epoch
        # Another file may have taken the place of the one that they wrote to: this sync says nothing of theirs.
        _settle([each.proof for each in asked if each.epoch != epoch], proven=False)
        waiting = [each.proof for each in asked if each.epoch == epoch]
        taken = self._marks.take(epoch)
        started_s = time.monotonic()
        try:
            proven = await self._prove(epoch)
        except BaseException:
            _settle(waiting, proven=False)
            raise
        self._observer.synced(time.monotonic() - started_s, proven)
        _settle(waiting, proven=proven)
        if not proven:
            self._marks.give_back(taken)
            self._schedule()
            return
        for conversation_id, seq in self._marks.prove(taken).items():
            notice = Ephemeral(conversation_id, TOPIC, epoch=epoch, replicated_seq=seq)
            self._broker.publish_ephemeral(notice)

    async def _prove(self, epoch: str) -> bool:
        """Sync once. What was committed under an epoch that ended meanwhile may not be in the file any more."""
        try:
            proven = await self._replicator.sync(self._persona)
        except Exception:
            logger.exception("a sync failed for a reason that is not the replica's")
            return False
        return proven and epoch == self._store.timeline.epoch


def _settle(waiting: list[asyncio.Future[bool]], *, proven: bool) -> None:
    for proof in waiting:
        if not proof.done():
            proof.set_result(proven)
