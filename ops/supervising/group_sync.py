"""GroupSync: at most one sync of a file under way, and one for all who asked meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ops.supervising.control_socket import SyncOutcome


class GroupSync:
    """Joins those who want the same sync. Each is served by one that begins after it asked, so that it proves theirs.

    `fly` is one sync; it never raises, and has a time limit of its own. So nobody waits longer than two of them.
    """

    def __init__(self, fly: Callable[[], Awaitable[SyncOutcome]]) -> None:
        self._fly = fly
        self._current: asyncio.Task[SyncOutcome] | None = None
        self._next: asyncio.Task[SyncOutcome] | None = None

    async def join(self) -> SyncOutcome:
        """Wait for the next sync that begins; who gives up waiting does not end it for the others."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._current))
        return await asyncio.shield(self._next)

    async def _after(self, current: asyncio.Task[SyncOutcome] | None) -> SyncOutcome:
        if current is not None:
            await asyncio.wait((current,))
        self._current, self._next = self._next, None
        return await self._fly()
