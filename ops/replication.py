"""Replication: the truth about the copies. What Litestream says of itself is not believed; a heartbeat that was seen to
arrive is.

Every few seconds a row is written into each file, and a sync of that file must answer in time. Where it does not, the
replica is asked directly, which tells a store that is down from a Litestream that is stuck; only the latter is started
anew. Nothing here can stop the chat.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from chat.replication import DOWN, REFUSED, STALLED, WELL, LitestreamReport, Replica, ReplicationReport
from chat.settings import Settings
from chat.store import StoreFailed
from ops.leasing.fenced import Fenced
from ops.replication_course import START_S, Course
from ops.supervising.control_socket import SyncOutcome
from ops.supervising.group_sync import GroupSync
from ops.wal_guard import GuardedStore, WalGuard

SYNC_TIMEOUT_S = 5.0
BEAT_TIMEOUT_S = 2.0
FAILED_PROBE_S = 2.0
START_STEP_S = 0.05
BROKEN_PAUSE_S = 5.0
RESTART_PAUSE_S = 30.0
RESTART_PAUSE_MAX_S = 600.0
SLOW_RESTART_S = 120.0
"""A sync that is only slow may be a large one under way, which a restart would begin again."""

logger = logging.getLogger("palaver.replication")


class ReplicatedStore(GuardedStore, Protocol):
    """What is replicated: a database file, as its store sees it."""

    async def beat(self, now_ms: int) -> None:
        """Write the heartbeat row; raises StoreFailed."""


class Replication:
    """The Replicator of a server. `stores` names the open files by persona; `due` is set when a proof is wanted.

    `start` begins it, and `stop` ends it when the files are closed. `child_answers` tells whether litestream
    itself reacts.
    """

    def __init__(
        self,
        settings: Settings,
        supervisor: Fenced,
        target: str,
        stores: Callable[[], Mapping[str, ReplicatedStore]],
        child_answers: Callable[[], Awaitable[bool]],
        due: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._target = target
        self._stores = stores
        self._child_answers = child_answers
        self._due = due
        self._guard = WalGuard(settings, stores, self._state_of, self._litestream_pids)
        self._first_since_ms = supervisor.status.since_ms
        self._courses: dict[str, Course] = {}
        self._groups: dict[str, GroupSync] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._restart_pause_s = RESTART_PAUSE_S
        self._restart_after_s = 0.0
        self._heartbeats = 0
        self._failures = 0

    def replicas(self) -> Sequence[Replica]:
        """Say how each file's copy is."""
        return [self._course(persona, store).replica() for persona, store in self._stores().items()]

    async def sync(self, persona: str) -> bool:
        """Copy what stands in a persona's file now; see Replicator."""
        store = self._stores().get(persona)
        return store is not None and (await self._join(persona, store)).ok

    async def let_go(self, persona: str) -> None:
        """Copy what a persona's file ends with, and keep Litestream from it: another one will take its place.

        Never raises, and takes seconds at most. Nothing counts as proven of the one that comes.
        """
        store = self._stores()[persona]
        if self._course(persona, store).state in WELL:
            await self._join(persona, store)
        await self._supervisor.let_go(store.path, SYNC_TIMEOUT_S)
        self._courses.pop(persona, None)

    def report(self) -> ReplicationReport:
        """Tell all that is known."""
        status = self._supervisor.status
        return ReplicationReport(
            on=True,
            target=self._target,
            files=list(self.replicas()),
            lease=self._supervisor.lease_report(),
            litestream=LitestreamReport(
                running=status.running,
                pid=status.pid,
                since_ms=status.since_ms,
                restarts=status.restarts,
                reason=status.reason,
            ),
            heartbeats=self._heartbeats,
            failures=self._failures,
            parts=self._guard.parts(),
        )

    def start(self) -> None:
        """Begin: take the lease, start Litestream, and prove."""
        self._tasks = [
            asyncio.create_task(_told(act)) for act in (self._supervisor.run, self._probe, self._guard.run)
        ]

    async def stop(self) -> None:
        """Copy what was written last and end Litestream, within its time; call it when the files are closed."""
        if not self._tasks:
            return
        supervising, *watching = self._tasks
        for task in watching:
            task.cancel()
        await self._supervisor.stop()
        await asyncio.gather(supervising, *watching, return_exceptions=True)

    async def _probe(self) -> None:
        await self._started()
        while True:
            self._due.clear()
            try:
                well = await self._round()
            except Exception:
                logger.exception("a round of proofs failed for a reason that is not the replica's")
                well = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.replica_probe_s if well else FAILED_PROBE_S):
                    await self._due.wait()

    async def _started(self) -> None:
        """Wait until Litestream runs, or has had its time, or something is known to be wrong."""
        deadline_s = time.monotonic() + START_S
        while self._is_waiting() and time.monotonic() < deadline_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_STEP_S):
                    await self._due.wait()
                    return

    def _is_waiting(self) -> bool:
        """Tell whether Litestream did not run yet, and nothing keeps it from it but time."""
        status = self._supervisor.status
        return not status.running and status.since_ms <= self._first_since_ms

    async def _round(self) -> bool:
        """Prove every file, and judge; tell whether all is well."""
        stores = self._stores()
        await asyncio.gather(*(self._prove(persona, store) for persona, store in stores.items()))
        courses = [self._course(persona, store) for persona, store in stores.items()]
        if not any(course.failing for course in courses):
            self._restart_pause_s = RESTART_PAUSE_S
            return True
        trouble = await self._supervisor.trouble()
        mute = not trouble and await self._is_mute(courses)
        for course in courses:
            if mute:
                course.give_up()
            self._judge(course, trouble)
        await self._mend(courses, trouble, mute=mute)
        return False

    async def _is_mute(self, courses: Sequence[Course]) -> bool:
        """Tell whether Litestream, which left a sync without an answer, answers nothing else either."""
        left = any(course.failures and course.slow for course in courses)
        return left and self._supervisor.status.running and not await self._child_answers()

    async def _prove(self, persona: str, store: ReplicatedStore) -> None:
        course = self._course(persona, store)
        try:
            async with asyncio.timeout(BEAT_TIMEOUT_S):
                await store.beat(_now_ms())
        except (StoreFailed, TimeoutError) as error:
            course.beat(str(error) or f"not written within {BEAT_TIMEOUT_S:g} s")
        else:
            course.beat("")
        course.probed = True
        outcome = await self._join(persona, store)
        course.probed = False
        self._heartbeats += outcome.ok
        self._failures += not outcome.ok and not course.young

    async def _join(self, persona: str, store: ReplicatedStore) -> SyncOutcome:
        group = self._groups.get(persona)
        if group is None:
            group = self._groups[persona] = GroupSync(lambda: self._fly(persona, store))
        return await group.join()

    async def _fly(self, persona: str, store: ReplicatedStore) -> SyncOutcome:
        course, began_ms, began_s = self._course(persona, store), _now_ms(), time.monotonic()
        outcome = await self._supervisor.sync(store.path, SYNC_TIMEOUT_S)
        if outcome.ok:
            course.prove(began_ms)
            return outcome
        course.fail(outcome.reason, slow=time.monotonic() - began_s >= SYNC_TIMEOUT_S)
        if course.failures == 1 and not course.probed:
            self._due.set()  # somebody else's sync failed: find out why at once
        return outcome

    def _judge(self, course: Course, trouble: str) -> None:
        status, before = self._supervisor.status, course.state
        if self._supervisor.refusal:
            course.become(REFUSED, self._supervisor.refusal)
        elif not course.failing:
            return
        elif trouble:
            course.become(DOWN, f"the replica cannot be written to: {trouble}")
        elif not course.alarmed or (course.young and (status.running or self._is_waiting())):
            course.wait()
        elif not status.running:
            course.become(DOWN, status.reason)
        else:
            course.become(STALLED, course.failure)
        if course.state != before:
            level = logging.INFO if course.state in WELL else logging.ERROR
            reason = course.replica().reason
            logger.log(
                level, "replication of %s is %s", course.path.name, course.state, extra={"reason": reason}
            )

    async def _mend(self, courses: Sequence[Course], trouble: str, *, mute: bool) -> None:
        """Start Litestream anew where it is stuck: it runs, the replica answers, and proofs fail all the same."""
        copying = self._supervisor.status.copying  # a fresh start would break off what mends them
        stuck = [
            course
            for course in courses
            if course.state == STALLED and not course.missed_beats and str(course.path) not in copying
        ]
        now_s = time.monotonic()
        if trouble or not stuck or now_s < self._restart_after_s:
            return
        patient = all(course.slow and now_s - course.unproven_since_s < SLOW_RESTART_S for course in stuck)
        if patient and not mute:
            return
        self._restart_after_s = now_s + self._restart_pause_s
        self._restart_pause_s = min(2 * self._restart_pause_s, RESTART_PAUSE_MAX_S)
        await self._supervisor.restart(f"proofs fail while the replica answers: {stuck[0].failure}")

    def _course(self, persona: str, store: ReplicatedStore) -> Course:
        course = self._courses.get(persona)
        if course is None:
            course = self._courses[persona] = Course(store.path, self._target)
        return course

    def _state_of(self, persona: str) -> str:
        course = self._courses.get(persona)
        return course.state if course else ""

    def _litestream_pids(self) -> Sequence[int]:
        return (self._supervisor.status.pid,)


async def _told(act: Callable[[], Awaitable[None]]) -> None:
    """Run a part of replication to its end, and begin it again if it breaks: the chat goes on meanwhile."""
    while True:
        try:
            return await act()
        except Exception:
            logger.exception("a part of replication broke, and begins again in %g s", BROKEN_PAUSE_S)
        await asyncio.sleep(BROKEN_PAUSE_S)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
