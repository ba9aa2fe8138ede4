"""Looks from time to time whether every file can be restored from what is on the replica, and where pieces are missing.

A heartbeat proves that the newest piece arrives, and nothing of those before it. So the plan of a restore is asked for,
and held against the list of all pieces; nothing is fetched.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from chat.health import PartHealth
from chat.settings import Settings
from ops.replica_look import Seen, look_apart
from ops.restoring import moment
from ops.restoring.refusal import Refused
from ops.supervising.place import LitestreamPlace

HOUR_S = 3600.0
# Not at the start, when everything else is asked of the replica, and not all servers of one store at once.
FIRST_AFTER_S = 300.0
# What is looked at may be gathered into larger pieces just then: what is really missing is missing a minute later, too.
CONFIRM_AFTER_S = 60.0
UNWELL_EVERY_S = 300.0
MEND_EVERY_S = HOUR_S
"""A whole copy costs as much as the file is large: one that mended nothing is not made again at once."""

logger = logging.getLogger("palaver.replication")


Look = Callable[[Settings, str], Awaitable[Seen]]
"""Sees what the replica has of a file; raises Refused where that cannot be seen."""


class ReplicaCheck:
    """The checks of one server over the files that `files` names; one look after another."""

    def __init__(
        self, settings: Settings, files: Callable[[], Sequence[Path]], ask: Look = look_apart
    ) -> None:
        self._settings = settings
        self._every_s = settings.replica_check_h * HOUR_S
        self._litestream = LitestreamPlace(settings)
        self._files = files
        self._ask = ask
        self._seen: dict[str, Seen] = {}
        self._mended_s: dict[str, float] = {}
        self.is_on = settings.replicates and self._every_s > 0

    @property
    def seen(self) -> dict[str, Seen]:
        """Return what was seen of each file last; nothing of those that could not be looked at yet."""
        return self._seen

    async def run(self) -> None:
        """Go on until cancelled."""
        if not self.is_on:
            return
        await asyncio.sleep(FIRST_AFTER_S * random.uniform(1, 2))  # noqa: S311
        while True:
            try:
                await self.check()
            except Exception:
                logger.exception("a check of the replica failed for a reason that is not the replica's")
            well = all(seen.well for seen in self._seen.values())
            await asyncio.sleep(self._every_s if well else min(self._every_s, UNWELL_EVERY_S))

    async def check(self) -> None:
        """Look at every file; what is missing is looked at twice before it is told."""
        files = [path.name for path in self._files()]
        self._seen = {file: seen for file, seen in self._seen.items() if file in files}
        for file in files:
            seen = await self._look(file)
            if seen is not None and not seen.well and self._seen.get(file, Seen()).well:
                await asyncio.sleep(CONFIRM_AFTER_S)
                seen = await self._look(file)
            if seen is not None:
                self._judge(file, seen)

    def health(self) -> Iterator[PartHealth]:
        """Say of each file's copy whether all of it is there."""
        for file, seen in self._seen.items():
            yield PartHealth(
                part=f"copies of {file.removesuffix('.db')}",
                ok=seen.well,
                reason=_reason(seen),
                since_ms=seen.since_ms,
                critical=False,
            )

    async def _look(self, file: str) -> Seen | None:
        try:
            return await self._ask(self._settings, file)
        except Refused as refused:
            logger.info("what the replica has of %s could not be looked at: %s", file, refused)
            return None

    def _judge(self, file: str, seen: Seen) -> None:
        before = self._seen.get(file, Seen())
        same = before.well == seen.well and before.since_ms
        self._seen[file] = msgspec.structs.replace(
            seen, since_ms=before.since_ms if same else moment.now_ms()
        )
        if seen.broken:
            logger.error("the newest copy of %s cannot be restored: %s", file, seen.broken)
            self._mend(file)
        elif seen.holes:
            logger.error("pieces of the copy of %s are missing: %s", file, _reason(seen))
        elif not before.well:
            logger.info("the copy of %s is whole again", file)

    def _mend(self, file: str) -> None:
        """Ask whoever supervises Litestream for a whole new copy, now and then."""
        now_s = time.monotonic()
        if now_s < self._mended_s.get(file, 0.0):
            return
        self._mended_s[file] = now_s + MEND_EVERY_S
        try:
            self._litestream.want_whole(file)
        except OSError as error:
            logger.error("a whole new copy of %s could not be asked for: %s", file, error)


def _reason(seen: Seen) -> str:
    if seen.broken:
        return "pieces are missing on the replica, and the newest copy cannot be restored; a whole new one is asked for"
    if not seen.holes:
        return ""
    first, last = seen.holes[0], seen.holes[-1]
    return (
        f"pieces are missing on the replica: moments between {moment.shown(first.after_ms)} and "
        f"{moment.shown(last.until_ms)} cannot be restored, newer ones can"
    )
