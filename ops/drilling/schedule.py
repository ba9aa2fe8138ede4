"""Runs drills from time to time, in a process of its own with low priority, so that the chat is not slowed."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from chat.health import PartHealth
from chat.settings import Settings
from ops.drilling.record import FAIL, PASS, Drill, History, Outcome

HOUR_S = 3600.0
HOUR_MS = 3600 * 1000
# Not in the first minutes: whoever has just started a server is watching something else, and a past is soon there.
FIRST_AFTER_S = 15 * 60.0
LOOK_EVERY_S = 60.0
DRILL_TIMEOUT_S = 6 * HOUR_S
EXIT_TIMEOUT_S = 10.0
SAID_BYTES_MAX = 500

logger = logging.getLogger("palaver.drill")


class DrillSchedule:
    """The drills of one server: `run` makes one when it is due, and reads the history when it has changed.

    Due is what is `drill_interval_h` after the last drill began, by whomever; nothing where that is 0, or nothing is
    replicated.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._history = History(Path(settings.data).absolute())
        self._read_stamp = (0, 0)
        self._began_ms = 0
        self._since_ms = _now_ms()
        self._verified_ms = 0
        self._failed_ms = 0
        self._look()

    @property
    def last_verified_ms(self) -> int:
        """Return when the newest drill that passed began, by whomever; 0 where none ever did."""
        self._look()
        return self._verified_ms

    @property
    def last_failed_ms(self) -> int:
        """Return when the newest drill that failed began, by whomever; 0 where none ever did."""
        self._look()
        return self._failed_ms

    @property
    def is_on(self) -> bool:
        """Tell whether there is anything to prove."""
        return self._settings.replicates

    async def run(self) -> None:
        """Go on until cancelled."""
        if not self.is_on:
            return
        first_s = time.monotonic() + FIRST_AFTER_S
        while True:
            self._look()
            if time.monotonic() >= first_s and self._is_due():
                await self._drill()
                self._look()
            await asyncio.sleep(LOOK_EVERY_S)

    def health(self) -> PartHealth:
        """Say whether the last restore that was verified is fresh enough; before the first, since the start."""
        limit_h = self._settings.drill_age_h_max
        since_ms = self.last_verified_ms or self._since_ms
        if not self.is_on or not limit_h or _now_ms() - since_ms <= limit_h * HOUR_MS:
            return PartHealth(part="restore drill", ok=True, critical=False)
        hours = (_now_ms() - since_ms) // HOUR_MS
        reason = f"no drill has passed for {hours} h; run palaver drill, and see palaver drill --history"
        return PartHealth(part="restore drill", ok=False, reason=reason, since_ms=since_ms, critical=False)

    def _look(self) -> None:
        """Read the history, if it is another than the one that was read."""
        try:
            found = self._history.file.stat()
        except OSError:
            return
        stamp = (found.st_mtime_ns, found.st_size)
        if stamp != self._read_stamp:
            drills = self._history.drills()
            self._began_ms = max((drill.began_ms for drill in drills), default=0)
            self._verified_ms = max(_began(drills, PASS), default=0)
            self._failed_ms = max(_began(drills, FAIL), default=0)
            self._read_stamp = stamp

    def _is_due(self) -> bool:
        interval_ms = self._settings.drill_interval_h * HOUR_MS
        return interval_ms > 0 and _now_ms() - self._began_ms >= interval_ms

    async def _drill(self) -> None:
        self._began_ms = _now_ms()  # also if it cannot even be started: it is not tried every minute
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ops.cli", "drill", "--gently", "--json"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            logger.error("the drill could not be started: %s", error)
            return
        try:
            async with asyncio.timeout(DRILL_TIMEOUT_S):
                _, said = await process.communicate()
            _report(process.returncode, said)
        except TimeoutError:
            logger.error("the drill did not end within %g h and was ended", DRILL_TIMEOUT_S / HOUR_S)
        finally:
            await _end(process)


def _began(drills: Sequence[Drill], outcome: Outcome) -> Iterator[int]:
    return (drill.began_ms for drill in drills if drill.outcome == outcome)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a drill that still runs: it takes away what it restored, unless it is killed."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(EXIT_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()


def _report(code: int | None, said: bytes) -> None:
    if code == 0:
        logger.info("the drill passed")
    else:
        text = said[-SAID_BYTES_MAX:].decode(errors="replace").strip()
        logger.error("the drill did not pass (exit code %s); see palaver drill --history %s", code, text)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
