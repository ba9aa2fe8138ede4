"""The supervisor: keeps a litestream running for the database files of a data folder, whatever happens to either."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from chat.settings import Settings
from ops.supervising import binary, config
from ops.supervising.child import Ended, LitestreamChild
from ops.supervising.control_socket import LitestreamSocket, SyncOutcome
from ops.supervising.files import SupervisedFiles
from ops.supervising.lock import SupervisedElsewhere, SupervisorLock
from ops.supervising.place import LitestreamPlace
from ops.supervising.spent import SpentPieces
from ops.supervising.status import LitestreamStatus
from ops.supervising.target import target_of
from ops.supervising.whole import WholeCopies

LOOK_S = 1.0
# Files that come together are to cost one restart.
SETTLE_S = 0.2
PAUSE_MIN_S = 0.25
PAUSE_MAX_S = 30.0
WELL_S = 60.0
# A restart needs no last copying: the next process goes on where this one stood.
RESTART_PATIENCE_S = 0.5
KILL_PATIENCE_S = 1.0
# Of the time that a stop may take, what is kept for ending the process.
STOP_RESERVE_S = 0.8
TWICE_GAP_S = 0.1
STOP_SYNCS_MAX = 16
WISH_CHARACTERS_MAX = 500

logger = logging.getLogger("palaver.litestream")


class Litestream:
    """Supervises one litestream for the files that `files` names; it is asked every second.

    `run` is a task of its own, which `stop` ends in good order; cancelling it ends the process at once. Nothing but a
    setting that cannot be used is raised: a binary that is missing, or a second supervisor, is told in `status` and
    tried again, since the chat must go on.
    """

    def __init__(self, settings: Settings, files: Callable[[], Sequence[Path]]) -> None:
        """Prepare; raises BadSetting for a target that cannot be one."""
        self._settings = settings
        self._target = target_of(settings)
        self._place = LitestreamPlace(settings)
        self._files = SupervisedFiles(files, self._place.files, self._target.place)
        self._lock = SupervisorLock(self._place.folder)
        self._socket = LitestreamSocket(self._place.socket)
        self._spent = SpentPieces(self._place.folder.parent)
        self._whole = WholeCopies(settings, self._target, self._place, self._files)
        self._status = LitestreamStatus(running=False, since_ms=_now_ms(), reason="not started yet")
        self._starts = 0
        self._pause_s = PAUSE_MIN_S
        self._wake = asyncio.Event()
        self._binary: Path | None = None
        self._restart_reason = ""
        self._anew = False
        self._emptied = False
        self._stop_by_s = 0.0
        self._finished: asyncio.Event | None = None

    @property
    def status(self) -> LitestreamStatus:
        """Say how the process is."""
        copying = self._files.present() if self._anew else self._files.exchanged
        return msgspec.structs.replace(self._status, copying=tuple(map(str, copying)))

    def acquire(self) -> None:
        """Take the lock that `run` would wait for; raises SupervisedElsewhere, OSError. Twice is once.

        May take seconds, where the process of a supervisor that died is still there and must be ended.
        """
        self._place.make()
        if self._lock.acquire():
            self._anew |= not self._files.open()

    async def run(self) -> None:
        """Keep it running until `stop`."""
        self._finished = asyncio.Event()
        self._socket = LitestreamSocket(self._place.socket)
        try:
            while not self._stopping:
                await self._life()
            self._let_files_go()
        finally:
            self._lock.release()
            await self._socket.close()
            self._finished.set()

    async def sync(self, file: Path, timeout_s: float) -> SyncOutcome:
        """Copy what is committed in `file` now, and wait until it is on the replica; never raises.

        `file` is an absolute path. What was proven of a file that somebody exchanges in the same moment is not told.
        """
        if not self._status.running:
            return SyncOutcome(ok=False, reason=self._status.reason)
        if not self._may_prove(file):
            return SyncOutcome(ok=False, reason=self._why_not(file))
        outcome = await self._socket.sync(file, timeout_s)
        if outcome.ok and not self._may_prove(file):
            return msgspec.structs.replace(outcome, ok=False, reason=self._why_not(file))
        return outcome

    async def restart(self, reason: str) -> None:
        """Ask for a fresh process; returns at once. `reason` is logged and stands in `status`."""
        self._restart_reason = reason
        self._wake.set()

    async def let_go(self, file: Path, timeout_s: float) -> None:
        """Keep the process from a file that is about to be exchanged; see Supervisor."""
        if self._status.running:
            await self._socket.let_go(file, timeout_s)

    async def copy_anew(self, reason: str) -> None:
        """Ask for whole new copies of all files; returns at once, and nothing is proven until they are made.

        For a replica that does not hold what was copied to it. Where a process of ours still ran meanwhile, it may hold
        a piece that came after that was lost, which the next one would take for a copy.
        """
        self._anew, self._emptied = True, self._starts > 0
        await self.restart(reason)

    async def stop(self) -> None:
        """Copy what was written last, end the process, and return when it is gone; bounded by `replica_stop_s`."""
        self._stop_by_s = time.monotonic() + self._settings.replica_stop_s
        self._wake.set()
        if self._finished is not None:
            await self._finished.wait()

    @property
    def _stopping(self) -> bool:
        return self._stop_by_s > 0

    async def _life(self) -> None:
        """Have one process from start to end; then wait a while, if its end was not wanted."""
        began_s = time.monotonic()
        self._restart_reason = ""
        try:
            await asyncio.to_thread(self.acquire)
            await self._supervise()
            self._tell_down(self._restart_reason or "stopped")
            return
        except (binary.BinaryRefused, SupervisedElsewhere, Ended, OSError) as error:
            self._binary = None
            self._tell_down(str(error))
            logger.error("%s", error, extra={"again_in_s": self._pause_s})
        except Exception as error:
            # Whatever it was: if nobody copies any more, nobody would begin to.
            self._binary = None
            self._tell_down(f"{type(error).__name__}: {error}")
            logger.exception("the supervisor broke", extra={"again_in_s": self._pause_s})
        if time.monotonic() - began_s > WELL_S:
            self._pause_s = PAUSE_MIN_S
        if not self._stopping:
            await self._wait_for_wake(self._pause_s)
        self._pause_s = min(self._pause_s * 2, PAUSE_MAX_S)

    async def _supervise(self) -> None:
        """Start a process and watch until there is to be another, or none; raises what `_life` takes."""
        if self._binary is None:
            self._binary = await asyncio.to_thread(binary.usable, self._settings)
        if self._anew:
            await asyncio.to_thread(self._place.forget_copies)
            if self._emptied:
                self._files.distrust(self._files.present())
            self._anew = self._emptied = False
        files = self._files.hold()
        async with self._whole.underway(self._binary, self._wake):
            if not files:
                self._tell_idle()
                await self._watch(None, files)
                return
            child = await self._start(self._binary, files)
            try:
                self._lock.note_child(child.pid)
                await child.answers(self._socket, lambda: self._stopping)
                self._tell_running(child, files)
                await self._watch(child, files)
                if self._stopping:
                    await self._last_syncs(files)
            except asyncio.CancelledError:
                # The place may be another machine's by now: not one piece more.
                child.kill()
                raise
            finally:
                await self._end(child)

    async def _start(self, binary: Path, files: Sequence[Path]) -> LitestreamChild:
        rendered = config.render(self._settings, self._target, files, self._place.socket)
        config.write(self._place.config, rendered)
        # What the one before said last may be of copies that were forgotten since: the next begins to count anew.
        self._spent = SpentPieces(self._place.folder.parent)
        arguments = ("replicate", "-config", str(self._place.config))
        return await LitestreamChild.start(
            binary, arguments, self._target.environment, self._target.secrets, self._spent.hear
        )

    async def _watch(self, child: LitestreamChild | None, files: Sequence[Path]) -> None:
        """Return when there is to be another process, or none; raises Ended if this one ends by itself."""
        while not self._stopping and not self._restart_reason:
            await self._wait_for_wake(LOOK_S, child)
            if child is not None and child.ended:
                raise Ended(f"Litestream ended: {(await child.wait())[1]}")
            if self._spent.due:
                await asyncio.to_thread(self._spent.remove)
            if self._is_other(files):
                await self._settle()
                self._restart_reason = "the set of files changed"
            elif self._place.wish.exists():
                self._restart_reason = self._wished()

    def _is_other(self, files: Sequence[Path]) -> bool:
        exchanged = self._files.look()
        for name, wish in self._place.wanted_whole().items():
            path = self._place.folder.parent / name
            if path in self._files.present():
                self._files.distrust((path,))
            wish.unlink()
        return exchanged or set(files) != set(self._files.present()) - set(self._files.exchanged)

    def _wished(self) -> str:
        """Return the reason that another process gave for a fresh start."""
        reason = self._place.wish.read_text(errors="replace")[:WISH_CHARACTERS_MAX]
        self._place.wish.unlink()
        return reason or "asked to"

    async def _settle(self) -> None:
        """Wait until no more files come or go."""
        seen: Sequence[Path] | None = None
        while not self._stopping and seen != (now := self._files.present()):
            seen = now
            await asyncio.sleep(SETTLE_S)

    async def _last_syncs(self, files: Sequence[Path]) -> None:
        """Copy what was written last, many files at once, as long as a stop may take."""
        limit = asyncio.Semaphore(STOP_SYNCS_MAX)

        async def sync(file: Path) -> bool:
            async with limit:
                return (await self.sync(file, max(TWICE_GAP_S, self._left_s - STOP_RESERVE_S))).ok

        copied = await asyncio.gather(*(sync(file) for file in files))
        late = [file.name for file, done in zip(files, copied, strict=True) if not done]
        if late:
            logger.error(
                "Stopped before all was on the replica; the rest follows at the next start",
                extra={"files": late},
            )

    @property
    def _left_s(self) -> float:
        return max(0.0, self._stop_by_s - time.monotonic())

    async def _end(self, child: LitestreamChild) -> None:
        """End the process; where it has something left to copy it would try for long, so it is told twice."""
        patience_s = self._left_s - KILL_PATIENCE_S if self._stopping else RESTART_PATIENCE_S
        await child.end(max(TWICE_GAP_S, patience_s), KILL_PATIENCE_S)
        self._lock.forget_child()

    async def _wait_for_wake(self, timeout_s: float, child: LitestreamChild | None = None) -> None:
        """Wait until somebody wakes us, the child ends, or time is up."""
        waiting: list[asyncio.Task[object]] = [asyncio.create_task(self._wake.wait())]
        if child is not None:
            waiting.append(asyncio.create_task(child.gone()))
        try:
            await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        self._wake.clear()

    def _let_files_go(self) -> None:
        try:
            self._files.close()
        except OSError as error:
            # The next start takes it that we died, and looks more closely.
            logger.warning("Could not note the end of replication: %s", error)

    def _tell_running(self, child: LitestreamChild, files: Sequence[Path]) -> None:
        self._status = LitestreamStatus(
            running=True,
            pid=child.pid,
            since_ms=_now_ms(),
            restarts=self._starts,
            reason=self._status.reason if self._starts else "",
            files=tuple(map(str, files)),
        )
        self._starts += 1
        logger.info(
            "Litestream copies %d files to %s",
            len(files),
            self._target.shown,
            extra={"child": child.pid, "why": self._status.reason},
        )

    def _tell_idle(self) -> None:
        if self._files.exchanged:
            self._tell_down("whole new copies are being made")
            return
        self._tell_down("there is no database to copy yet")
        logger.warning("There is no database in %s to copy yet", self._settings.data)

    def _tell_down(self, reason: str) -> None:
        self._status = LitestreamStatus(
            running=False, since_ms=_now_ms(), restarts=max(0, self._starts - 1), reason=reason
        )

    def _may_prove(self, path: Path) -> bool:
        return not self._anew and not self._files.is_exchanged(path) and self._files.is_same(path)

    def _why_not(self, path: Path) -> str:
        if self._anew:
            return "the replica was emptied or exchanged, and whole new copies are being made"
        if self._files.is_exchanged(path):
            return "a whole new copy of the file is being made"
        return "the file is not in Litestream's care, or was exchanged a moment ago"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
