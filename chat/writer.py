"""Writer: the only place where a draft becomes durable. One per database file; whatever gathered while one batch
commits is the next batch, so that one fsync pays for many.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from chat.broker import Broker
from chat.errors import Internal, Problem, TooManyRequests, Unavailable
from chat.observer import Observer
from chat.settings import Settings
from chat.store import Answer, Committed, Draft, Store, StoreFailed

Settled = Callable[[Answer | Problem], None]
"""Called once with what became of a draft, in the event loop, after the commit."""

Settling = TypeVar("Settling")

logger = logging.getLogger("palaver.writer")


class _Waiting:
    """A draft, who waits for it, and since when (monotonic seconds)."""

    __slots__ = ("draft", "settled", "since_s")

    def __init__(self, draft: Draft, settled: Settled) -> None:
        self.draft = draft
        self.settled = settled
        self.since_s = time.monotonic()

    def settle(self, outcome: Answer | Problem) -> None:
        """Tell who waits; what goes wrong with one must not touch the others of the batch."""
        try:
            self.settled(outcome)
        except Exception:
            logger.exception("an answer could not be handed over")


class Writer:
    """Takes drafts into a bounded queue and settles each with its answer once it is durable.

    `failure` says why writing is off, and is empty while it is on; `failed_ms` is since when (Unix milliseconds).
    `reopened` is called when it is on again, `noted` with what a batch made durable, before anybody is told of it.
    """

    def __init__(
        self,
        store: Store,
        broker: Broker,
        observer: Observer,
        settings: Settings,
        reopened: Callable[[], None],
        noted: Callable[[Sequence[Committed]], None] | None = None,
    ) -> None:
        self._store = store
        self._broker = broker
        self._observer = observer
        self._settings = settings
        self._reopened = reopened
        self._noted = noted
        self._queue: deque[_Waiting] = deque()
        self._work = asyncio.Event()
        self._closing = False
        self._aside: tuple[Callable[[], Awaitable[None]], asyncio.Future[None]] | None = None
        self._loop = asyncio.get_running_loop()
        self.failure = ""
        self.failed_ms = 0

    @property
    def queue_depth(self) -> int:
        """Return how many drafts wait for the next batch."""
        return len(self._queue)

    def submit(self, draft: Draft) -> asyncio.Future[Answer]:
        """Queue a draft as `put` does; the future settles with its answer or its Problem."""
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self.put(draft, partial(_settle, answer))
        return answer

    def put(self, draft: Draft, settled: Settled) -> None:
        """Queue a draft; `settled` is called with its answer after the commit, or with the Problem that refused it.

        Raises TooManyRequests when the queue is full, and Unavailable while writing is off.
        """
        if self.failure:
            raise Unavailable(retry_after_s=self._settings.write_retry_s)
        if self._closing:
            raise Unavailable("the server is stopping; try again", retry_after_s=self._settings.write_retry_s)
        if self._aside is not None:
            raise Unavailable("this is being restored; try again", retry_after_s=self._settings.write_retry_s)
        if len(self._queue) >= self._settings.write_queue_max:
            raise TooManyRequests("the server has more to write than it can; try again", retry_after_s=1.0)
        self._queue.append(_Waiting(draft, settled))
        self._work.set()

    def stand_aside(self, act: Callable[[], Awaitable[None]]) -> asyncio.Future[None]:
        """Let `act` have the file when what is queued is written, and refuse whatever comes until it is done.

        The future settles when the file is open again, or with Unavailable where `act` raised StoreFailed; then it is
        reopened as after any failure. Raises Unavailable while the server stops or somebody else has the file.
        """
        if self._closing or self._aside is not None:
            raise Unavailable("the server is stopping, or this is being restored already; try again")
        done: asyncio.Future[None] = self._loop.create_future()
        self._aside = (act, done)
        self._work.set()
        return done

    def begin_off(self, reason: str) -> None:
        """Begin with writing off, for a store that could not be opened: `run` reopens it, as after any failure."""
        self._fail([], reason)

    async def run(self) -> None:
        """Write batches until `close`; what is queued by then is still written."""
        if self.failure:
            await self._mend()
        while True:
            if not self._queue:
                if self._aside is not None:
                    await self._hand_over()
                    continue
                if self._closing:
                    return
                self._work.clear()
                await self._work.wait()
                continue
            await self._write(self._take())

    def close(self) -> None:
        """Take no more drafts; `run` returns when the queue is empty."""
        self._closing = True
        self._work.set()

    def _take(self) -> list[_Waiting]:
        count = min(len(self._queue), self._settings.write_batch_max)
        return [self._queue.popleft() for _ in range(count)]

    async def _write(self, batch: list[_Waiting]) -> None:
        started_s = time.monotonic()
        try:
            outcomes = await self._store.commit([waiting.draft for waiting in batch])
        except StoreFailed as error:
            self._fail(batch, str(error))
            await self._mend()
            return
        except Exception:
            logger.exception("a batch failed for a reason that is not the database's")
            self._refuse(batch, Internal())
            return
        commit_s = time.monotonic() - started_s
        self._observer.committed(len(batch), commit_s)
        if 0 < self._settings.slow_query_ms <= commit_s * 1000:
            logger.warning("slow commit", extra={"drafts": len(batch), "took_ms": round(commit_s * 1000, 1)})
        self._settle(batch, outcomes)

    def _settle(self, batch: list[_Waiting], outcomes: Sequence[Committed | Problem]) -> None:
        """Answer the senders; the loop publishes after it, while the next batch commits.

        It is asked to before the first answer is handed over, so that answers and events leave in the same frames.
        """
        committed = [outcome for outcome in outcomes if isinstance(outcome, Committed)]
        if committed:
            if self._noted is not None:
                self._noted(committed)
            self._loop.call_soon(self._broker.publish, committed)
        now_s = time.monotonic()
        for waiting, outcome in zip(batch, outcomes, strict=True):
            waiting.settle(outcome.answer if isinstance(outcome, Committed) else outcome)
            self._observer.acked(now_s - waiting.since_s)

    async def _hand_over(self) -> None:
        """Let the one who asked for the file have it; who listens catches up from what is there then."""
        try:
            await self._take_up()
        except StoreFailed as error:
            self._fail([], str(error))
            await self._mend()
        except Exception:
            logger.exception("an exchange failed for a reason that is not the database's")
            self._fail([], "an exchange of the file failed")
            await self._mend()
        else:
            self._reopened()

    async def _take_up(self) -> None:
        """Open the file anew, or let somebody exchange it who asked for that; raises what either does."""
        if self._aside is None:
            await self._store.reopen()
            return
        act, done = self._aside
        try:
            await act()
        except Exception as error:
            _settle(done, Unavailable(str(error)) if isinstance(error, StoreFailed) else Internal())
            raise
        else:
            _settle(done, None)
        finally:
            self._aside = None

    def _fail(self, batch: list[_Waiting], reason: str) -> None:
        """Turn writing off. Nobody knows whether the batch was stored: its keys let every sender ask again."""
        self.failure = reason
        self.failed_ms = time.time_ns() // 1_000_000
        logger.error("writing is off: %s", reason)
        self._refuse(batch, Unavailable(retry_after_s=self._settings.write_retry_s))

    def _refuse(self, batch: Sequence[_Waiting], problem: Problem) -> None:
        for waiting in batch:
            waiting.settle(problem)

    async def _mend(self) -> None:
        """Reopen until it works, refusing meanwhile what was queued; then the listeners catch up from the database."""
        while True:
            waiting = list(self._queue)
            self._queue.clear()
            self._refuse(waiting, Unavailable(retry_after_s=self._settings.write_retry_s))
            try:
                await self._take_up()
                break
            except StoreFailed as error:
                if str(error) != self.failure:
                    logger.error("writing is still off: %s", error)
                self.failure = str(error)
            except Exception:
                logger.exception("reopening failed for a reason that is not the database's")
            if self._closing:
                return
            await asyncio.sleep(self._settings.write_retry_s)
        logger.warning("writing is on again, after %s", self.failure)
        self.failure = ""
        self._reopened()


def _settle(answer: asyncio.Future[Settling], outcome: Settling | Problem) -> None:
    if answer.done():
        return
    if isinstance(outcome, Problem):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
