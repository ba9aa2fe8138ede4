"""Fenced: a supervisor of Litestream that copies only while nobody else copies to the same place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from chat.replication import LeaseReport
from ops.leasing.lease import HELD, LOST, OTHERS, Lease
from ops.supervising.control_socket import SyncOutcome
from ops.supervising.status import LitestreamStatus, Supervisor

EXCHANGED = "the replica does not hold what was copied to it: it is new, was emptied, or is another one"
FOREVER_S = 1e12
NO_PROOF = "the lease on the replica is not ours, or could not be renewed in time"


class Leasable(Supervisor, Protocol):
    """A supervisor that can begin again at a place that lost what it held."""

    async def copy_anew(self, reason: str) -> None:
        """Ask for whole new copies of all files; returns at once."""


class Fenced(Supervisor, Protocol):
    """A supervisor that knows whether it may copy at all, and whether the replica answers."""

    @property
    def refusal(self) -> str:
        """Return why it must not copy, with what to do; empty where it may."""

    async def trouble(self) -> str:
        """Ask the replica itself, and return why it cannot be used; empty where it can. Never raises."""

    def lease_report(self) -> LeaseReport:
        """Say who may copy to the place."""


class Leased:
    """Runs a supervisor for as long as the lease is ours; `changed` is called when it turns out not to be.

    Once the lease is lost it stays stopped: the place follows another database then.
    """

    def __init__(
        self, supervisor: Leasable, lease: Lease, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._supervisor = supervisor
        self._lease = lease
        self._changed = changed
        self._began_ms = time.time_ns() // 1_000_000
        self._stop = asyncio.Event()
        self._ended: asyncio.Event | None = None

    @property
    def status(self) -> LitestreamStatus:
        """Say how the process is; without the lease there is none."""
        if self._lease.taken.is_set():
            return self._supervisor.status
        reason = self.refusal or self._lease.trouble or "waiting for the lease on the replica"
        return LitestreamStatus(running=False, since_ms=self._began_ms, reason=reason)

    @property
    def refusal(self) -> str:
        """Return who else copies to the place; see Fenced."""
        holder = self._lease.other or "another machine"
        if self._lease.state == OTHERS:
            return (
                f"{holder} replicates to this place. Stop that one, or set PALAVER_REPLICA to another place."
            )
        if self._lease.state == LOST:
            return (
                f"{holder} took over the replica. Stop that one and start this one again to replicate from here, or "
                "set PALAVER_REPLICA to another place."
            )
        return ""

    @property
    def proves_until_s(self) -> float:
        """Return until when the lease is in force, by the clock that counts since the boot; 0 where it is not ours."""
        lease = self._lease
        return lease.valid_until_s if lease.state == HELD and not lease.exchanged.is_set() else 0.0

    async def run(self) -> None:
        """Take the lease, keep it, and run the supervisor meanwhile; until `stop`."""
        self._ended = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(self._lease.run(self._tell))
                beginning = tasks.create_task(self._begin_again_when_exchanged())
                working = tasks.create_task(self._work())
                leaving = tasks.create_task(self._leave_when_lost(working))
                await self._stop.wait()
                if self._lease.taken.is_set():
                    await self._supervisor.stop()
                for task in (working, leaving, beginning, keeping):
                    task.cancel()
            await self._lease.release()
        finally:
            self._ended.set()

    async def sync(self, file: Path, timeout_s: float) -> SyncOutcome:
        """Copy what is committed in `file`; see Supervisor.

        Without a lease in force nothing is proven: two who write to one place spoil it, and both are told all is well.
        """
        if not self._lease.taken.is_set():
            return SyncOutcome(ok=False, reason=self.status.reason)
        outcome = await self._supervisor.sync(file, timeout_s)
        if outcome.ok and (self._lease.state != HELD or self._lease.expired):
            return SyncOutcome(ok=False, reason=NO_PROOF)
        if outcome.ok and self._lease.exchanged.is_set():
            return SyncOutcome(ok=False, reason=EXCHANGED)
        return outcome

    async def restart(self, reason: str) -> None:
        """Ask for a fresh process; returns at once."""
        await self._supervisor.restart(reason)

    async def let_go(self, file: Path, timeout_s: float) -> None:
        """Keep litestream from a file that is about to be exchanged."""
        await self._supervisor.let_go(file, timeout_s)

    async def stop(self) -> None:
        """End the supervisor in good order, and give the lease back; returns when `run` has ended."""
        self._stop.set()
        if self._ended is not None:
            await self._ended.wait()

    async def trouble(self) -> str:
        """Renew the lease now, which writes; see Fenced."""
        await self._lease.check()
        return self._lease.trouble

    def lease_report(self) -> LeaseReport:
        """Say who may copy to the place."""
        lease = self._lease
        return LeaseReport(
            state=lease.state, weak=lease.weak, holder=str(lease.other or ""), trouble=lease.trouble
        )

    def _tell(self) -> None:
        if self.refusal or self._lease.trouble:
            self._changed()

    async def _work(self) -> None:
        await self._lease.taken.wait()
        await self._supervisor.run()

    async def _leave_when_lost(self, working: asyncio.Task[None]) -> None:
        """Break off at once: every piece that is still copied would spoil what the other one copies."""
        await self._lease.lost.wait()
        working.cancel()

    async def _begin_again_when_exchanged(self) -> None:
        while True:
            await self._lease.exchanged.wait()
            await self._supervisor.copy_anew(EXCHANGED)
            self._changed()
            self._lease.exchanged.clear()


class Unleased:
    """Takes a supervisor as it is, where no lease is possible; `look` asks the replica."""

    def __init__(self, supervisor: Supervisor, look: Callable[[], Awaitable[str]]) -> None:
        self._supervisor = supervisor
        self._look = look
        self.refusal = ""
        self.proves_until_s = FOREVER_S

    @property
    def status(self) -> LitestreamStatus:
        """Say how the process is."""
        return self._supervisor.status

    async def run(self) -> None:
        """Run the supervisor until `stop`."""
        await self._supervisor.run()

    async def sync(self, file: Path, timeout_s: float) -> SyncOutcome:
        """Copy what is committed in `file`; see Supervisor."""
        return await self._supervisor.sync(file, timeout_s)

    async def restart(self, reason: str) -> None:
        """Ask for a fresh process; returns at once."""
        await self._supervisor.restart(reason)

    async def let_go(self, file: Path, timeout_s: float) -> None:
        """Keep litestream from a file that is about to be exchanged."""
        await self._supervisor.let_go(file, timeout_s)

    async def stop(self) -> None:
        """End the supervisor in good order."""
        await self._supervisor.stop()

    async def trouble(self) -> str:
        """Look whether the replica answers; see Fenced."""
        return await self._look()

    def lease_report(self) -> LeaseReport:
        """Say that there is none here."""
        return LeaseReport(state="none")
