"""AsgiConnection: what Connection asks for, made of ASGI's own messages, for servers that offer nothing more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from chat.endpoints.connection import Offer

HIGH_WATER_BYTES = 64 * 1024

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class AsgiConnection:
    """Hands frames to `send` one by one in a task of its own; `run` it for as long as the connection lives."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()
        self._waiting_bytes = 0
        self._resumed: Callable[[], None] | None = None
        self._sender: asyncio.Task[None] | None = None

    @property
    def paused(self) -> bool:
        """Tell whether more than the high-water mark waits to be sent."""
        return self._waiting_bytes > HIGH_WATER_BYTES

    def write_text(self, payload: bytes) -> None:
        """Queue a frame."""
        self._waiting_bytes += len(payload)
        self._frames.put_nowait(payload)

    def write_buffer_bytes(self) -> int:
        """Return how many bytes wait here."""
        return self._waiting_bytes

    def on_resume(self, callback: Callable[[], None]) -> None:
        """Call `callback` each time that `paused` turns false."""
        self._resumed = callback

    def listen(self, offer: Offer) -> None:
        """Offer nothing: all texts come by ASGI's `receive`."""

    def abort(self) -> None:
        """Send nothing more; ASGI has no way to cut the socket itself, the server's own time limit does."""
        if self._sender is not None:
            self._sender.cancel()

    async def run(self) -> None:
        """Send what is queued, until cancelled or aborted, or until the peer is gone or told goodbye."""
        self._sender = asyncio.current_task()
        # Who receives learns of the end too; raised here, it would cancel him in the middle of a command.
        with contextlib.suppress(OSError, RuntimeError):
            await self._send_all()

    async def _send_all(self) -> None:
        while True:
            frame = await self._frames.get()
            await self._send({"type": "websocket.send", "text": frame.decode()})
            was_paused = self.paused
            self._waiting_bytes -= len(frame)
            if was_paused and not self.paused and self._resumed is not None:
                self._resumed()
