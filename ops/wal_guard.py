"""WalGuard: sees to it that no WAL grows without end while Litestream, which is to copy it back, does not; and that it
is told when one does, or when somebody reads for so long that none can be copied back.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from chat.health import PartHealth
from chat.replication import DOWN, REFUSED, STALLED
from chat.settings import Settings
from chat.store import StoreFailed
from ops import foreign_readers
from storage.checkpoint import Checkpoint

LOOK_S = 5.0
LONG_READ_S = 15.0
MIB = 2**20
UNATTENDED = (DOWN, STALLED, REFUSED)
"""The states in which nobody else copies a WAL back."""

logger = logging.getLogger("palaver.replication")


class GuardedStore(Protocol):
    """A database file, as far as its WAL goes."""

    @property
    def path(self) -> Path:
        """Return where it is."""

    def sizes(self) -> tuple[int, int]:
        """Return the bytes of the database file and of its WAL."""

    async def checkpoint(self) -> Checkpoint:
        """Copy back what nobody holds; raises StoreFailed."""


class WalGuard:
    """Looks at every file each LOOK_S. `state_of` tells how a file's copy is, `spared` who may read for long."""

    def __init__(
        self,
        settings: Settings,
        stores: Callable[[], Mapping[str, GuardedStore]],
        state_of: Callable[[str], str],
        spared: Callable[[], Sequence[int]],
        readers: Callable[[Path], Sequence[int]] | None = None,
    ) -> None:
        self._bytes_max = settings.wal_bytes_max
        self._stores = stores
        self._state_of = state_of
        self._spared = spared
        self._readers = readers or (lambda path: tuple(foreign_readers.readers(path)))
        self._reading: dict[tuple[str, int], float] = {}
        self._parts: dict[str, PartHealth] = {}

    def parts(self) -> list[PartHealth]:
        """Say which WAL is too large, and who reads for too long; empty where all is well."""
        return [part for part in self._parts.values() if not part.ok]

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            for persona, store in list(self._stores().items()):
                try:
                    await self.look(persona, store)
                except StoreFailed as error:
                    logger.info("the WAL of %s cannot be looked at: %s", persona, error)
            await asyncio.sleep(LOOK_S)

    async def look(self, persona: str, store: GuardedStore) -> None:
        """Look at one file once; raises StoreFailed."""
        self._note(f"readers of {persona}", self._too_long(persona, store.path))
        _, wal_bytes = store.sizes()
        if wal_bytes <= self._bytes_max:
            self._note(f"WAL of {persona}", "")
            return
        # The file keeps the size that it once had: what counts is what stands in it.
        done = await store.checkpoint()
        left = done.wal_pages - (done.copied_pages if self._state_of(persona) in UNATTENDED else 0)
        used_bytes = wal_bytes * left // max(done.wal_pages, 1) if done.wal_pages else 0
        too_large = used_bytes > self._bytes_max
        self._note(
            f"WAL of {persona}",
            f"{used_bytes // MIB} MiB wait to be copied back, more than PALAVER_WAL_BYTES_MAX"
            if too_large
            else "",
        )

    def _too_long(self, persona: str, path: Path) -> str:
        now_s = time.monotonic()
        pids = set(self._readers(path)) - {os.getpid(), *self._spared()}
        for pid in pids:
            self._reading.setdefault((persona, pid), now_s)
        for known in [key for key in self._reading if key[0] == persona and key[1] not in pids]:
            del self._reading[known]
        found = [pid for pid in sorted(pids) if now_s - self._reading[persona, pid] >= LONG_READ_S]
        named = ", ".join(f"{pid} ({foreign_readers.name_of(pid) or 'unknown'})" for pid in found)
        return (
            f"read in one transaction, and so keep the WAL from being copied back: process {named}"
            if found
            else ""
        )

    def _note(self, part: str, reason: str) -> None:
        before = self._parts.get(part)
        if before is not None and before.reason == reason:
            return
        if reason and (before is None or before.ok):
            logger.error("%s: %s", part, reason)
        self._parts[part] = PartHealth(
            part=part, ok=not reason, reason=reason, since_ms=time.time_ns() // 1_000_000, critical=False
        )
