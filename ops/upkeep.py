"""Upkeep: what a server does for its databases from time to time, between two batches of the writer."""

from __future__ import annotations

import asyncio

from storage.personas import PersonaFiles

HOUR_S = 3600.0


class Upkeep:
    """Lets SQLite keep its statistics fit, every `optimize_h` hours; never, where that is 0."""

    def __init__(self, files: PersonaFiles, optimize_h: int) -> None:
        self._files = files
        self._interval_s = optimize_h * HOUR_S

    async def run(self) -> None:
        """Go on until cancelled."""
        while self._interval_s:
            await asyncio.sleep(self._interval_s)
            await self._files.optimize()
