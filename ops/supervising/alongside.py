"""Alongside: the server's view of a litestream that `palaver replicate` supervises in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from chat.replication import LeaseReport
from chat.settings import Settings
from ops.supervising.control_socket import LitestreamSocket, SyncOutcome
from ops.supervising.files import NotedFiles
from ops.supervising.place import LitestreamPlace
from ops.supervising.status import LitestreamStatus
from ops.supervising.told import Told, hear

LOOK_S = 1.0
NOBODY = "palaver replicate does not run; start it beside this server"
NO_PROOF = "palaver replicate has no lease on the replica, or could not renew it in time"

logger = logging.getLogger("palaver.litestream")


class LitestreamAlongside:
    """Tells what the other process says of itself, asks its litestream, and starts nothing. See Fenced.

    `look` asks the replica itself, `unheard` is the lease while nobody tells of it, and `changed` is called when
    something is wrong that was not.
    """

    def __init__(
        self,
        settings: Settings,
        look: Callable[[], Awaitable[str]],
        unheard: LeaseReport,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._place = LitestreamPlace(settings)
        self._socket = LitestreamSocket(self._place.socket)
        self._noted = NotedFiles(self._place.files)
        self._look_at_replica = look
        self._unheard = unheard
        self._changed = changed
        self._stop = asyncio.Event()
        self._told: Told | None = None
        self._has_run = False
        self._since_ms = _now_ms()
        self._hear()

    @property
    def status(self) -> LitestreamStatus:
        """Say how the process was within the last second. One that never ran is so since this server began."""
        if self._told is None:
            return LitestreamStatus(running=False, since_ms=self._since_ms, reason=NOBODY)
        status = self._told.status
        return status if self._has_run else msgspec.structs.replace(status, since_ms=self._since_ms)

    @property
    def refusal(self) -> str:
        """Return why the other process must not copy."""
        return self._told.refusal if self._told else ""

    async def run(self) -> None:
        """Look every second what is told, until `stop`."""
        try:
            while not self._stop.is_set():
                self._hear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._stop.wait()
        finally:
            await self._socket.close()

    async def sync(self, file: Path, timeout_s: float) -> SyncOutcome:
        """Copy what is committed in `file` now, and wait until it is on the replica; never raises."""
        if reason := self._why_not(file):
            return SyncOutcome(ok=False, reason=reason)
        outcome = await self._socket.sync(file, timeout_s)
        if outcome.ok and (reason := self._why_not(file)):
            return msgspec.structs.replace(outcome, ok=False, reason=reason)
        return outcome

    async def restart(self, reason: str) -> None:
        """Ask the other process for a fresh one; returns at once, and it is done within seconds."""
        try:
            self._place.wish.write_text(reason)
        except OSError as error:
            logger.error("palaver replicate could not be asked to restart Litestream: %s", error)

    async def let_go(self, file: Path, timeout_s: float) -> None:
        """Keep the other process's litestream from a file that is about to be exchanged; see Supervisor."""
        await self._socket.let_go(file, timeout_s)

    async def stop(self) -> None:
        """End looking. The other process goes on, and copies what was written last."""
        self._stop.set()

    async def trouble(self) -> str:
        """Return what keeps the other process from renewing its lease, or look at the replica."""
        return (self._told.lease.trouble if self._told else "") or await self._look_at_replica()

    def lease_report(self) -> LeaseReport:
        """Say who may copy to the place; held is what the other process holds."""
        return self._told.lease if self._told else self._unheard

    def _hear(self) -> None:
        before, self._told = self._told, hear(self._place)
        runs = self._told is not None and self._told.status.running
        if runs:
            self._has_run = True
        elif before is not None and self._told is None:
            self._since_ms = _now_ms()
        was_well = before is not None and before.status.running and not before.lease.trouble
        if was_well and (not runs or self.lease_report().trouble):
            self._changed()

    def _why_not(self, file: Path) -> str:
        """Return why nothing that its litestream says of a file can be believed now."""
        self._hear()
        if self._told is None or not self._told.status.running:
            return self.status.reason
        if self._told.refusal or time.monotonic() > self._told.proves_until_s:
            return self._told.refusal or NO_PROOF
        if str(file) in self._told.status.copying:
            return "a whole new copy of the file is being made"
        if not self._noted.may_prove(file):
            return "the file is not in Litestream's care, or was exchanged a moment ago"
        return ""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
