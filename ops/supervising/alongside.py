"""Alongside: the server's view of a litestream that `palaver replicate` supervises in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from pathlib import Path

import msgspec

from chat.settings import Settings
from ops.supervising.control_socket import LitestreamSocket, SocketFailed, SyncOutcome
from ops.supervising.files import NotedFiles
from ops.supervising.place import LitestreamPlace
from ops.supervising.status import LitestreamStatus

LOOK_S = 1.0
NOBODY = "no litestream answers; start palaver replicate beside this server"

logger = logging.getLogger("palaver.litestream")


class LitestreamAlongside:
    """Asks the other process's litestream, and starts nothing itself."""

    def __init__(self, settings: Settings) -> None:
        self._place = LitestreamPlace(settings)
        self._socket = LitestreamSocket(self._place.socket)
        self._noted = NotedFiles(self._place.files)
        self._status = LitestreamStatus(running=False, since_ms=_now_ms(), reason=NOBODY)
        self._starts = 0
        self._stop = asyncio.Event()

    @property
    def status(self) -> LitestreamStatus:
        """Say how the process was within the last second."""
        return self._status

    async def run(self) -> None:
        """Look every second whether it answers, until `stop`."""
        try:
            while not self._stop.is_set():
                await self._look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._stop.wait()
        finally:
            await self._socket.close()

    async def sync(self, file: Path, timeout_s: float) -> SyncOutcome:
        """Copy what is committed in `file` now, and wait until it is on the replica; never raises."""
        if not self._noted.may_prove(file):
            return SyncOutcome(
                ok=False, reason="the file is not in Litestream's care, or was exchanged a moment ago"
            )
        outcome = await self._socket.sync(file, timeout_s)
        if outcome.ok and not self._noted.may_prove(file):
            return msgspec.structs.replace(outcome, ok=False, reason="the file was exchanged meanwhile")
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

    async def _look(self) -> None:
        before = self._status
        try:
            info = await self._socket.info()
        except SocketFailed as failed:
            if before.running or before.reason == NOBODY:
                self._status = LitestreamStatus(
                    running=False,
                    since_ms=_now_ms() if before.running else before.since_ms,
                    restarts=max(0, self._starts - 1),
                    reason=f"{NOBODY} ({failed})",
                )
            return
        if before.running and before.pid == info.pid:
            return
        self._status = LitestreamStatus(
            running=True, pid=info.pid, since_ms=_now_ms(), restarts=self._starts, reason=before.reason
        )
        self._starts += 1


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
