"""Sockets: all WebSockets of this process, and the goodbye to them when it stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chat.errors import SHUTDOWN

if TYPE_CHECKING:
    from chat.endpoints.socket import Socket

GOODBYES_PER_TURN = 100
LOOK_AGAIN_S = 0.02


class Sockets:
    """The open WebSockets; `closing` is true from the moment that no more are wanted."""

    def __init__(self, spread_s: float) -> None:
        self._spread_s = spread_s
        self._open: set[Socket] = set()
        self.closing = False

    def __len__(self) -> int:
        return len(self._open)

    def add(self, socket: Socket) -> None:
        """Take in a socket."""
        self._open.add(socket)

    def discard(self, socket: Socket) -> None:
        """Forget a socket that ended."""
        self._open.discard(socket)

    async def drain(self) -> None:
        """Tell all clients to come back later, spread over time so that they do not come back all at once; wait for them."""
        self.closing = True
        waiting = list(self._open)
        turns = max(1, -(-len(waiting) // GOODBYES_PER_TURN))
        for turn in range(turns):
            for socket in waiting[turn::turns]:
                socket.close(SHUTDOWN)
            await asyncio.sleep(self._spread_s / turns if turns > 1 else 0)
        while self._open:
            await asyncio.sleep(LOOK_AGAIN_S)
