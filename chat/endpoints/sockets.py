"""Sockets: all WebSockets of this process, and the goodbye to them when it stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chat.errors import SHUTDOWN
from chat.outbox import Turn

if TYPE_CHECKING:
    from chat.endpoints.socket import Socket

GOODBYES_PER_TURN = 100


class Sockets:
    """The open WebSockets, which share a `turn`; `closing` is true from the moment that no more are wanted."""

    def __init__(self, spread_s: float) -> None:
        self._spread_s = spread_s
        self.turn = Turn()
        self._open: set[Socket] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self.closing = False

    def __len__(self) -> int:
        return len(self._open)

    def add(self, socket: Socket) -> None:
        """Take in a socket."""
        self._open.add(socket)
        self._none_left.clear()

    def discard(self, socket: Socket) -> None:
        """Forget a socket that ended."""
        self._open.discard(socket)
        if not self._open:
            self._none_left.set()

    async def drain(self) -> None:
        """Tell all clients to come back later, not all at once, and wait for them."""
        self.closing = True
        waiting = list(self._open)
        turns = max(1, -(-len(waiting) // GOODBYES_PER_TURN))
        for turn in range(turns):
            for socket in waiting[turn::turns]:
                socket.close(SHUTDOWN)
            await asyncio.sleep(self._spread_s / turns if turns > 1 else 0)
        await self._none_left.wait()
