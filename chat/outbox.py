"""Outbox: what waits for one client. All of it that fits goes out in one frame per turn of the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol


class Sink(Protocol):
    """Where an outbox writes to: the transport of one connection."""

    @property
    def paused(self) -> bool:
        """Tell whether the peer reads too slowly to be given more."""

    def write_text(self, payload: bytes) -> None:
        """Send one frame now."""

    def write_buffer_bytes(self) -> int:
        """Return how much the transport still holds."""


class Turn:
    """The outboxes that were given something in this turn of the loop; all are written by one call at its end."""

    __slots__ = ("_loop", "_outboxes")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._outboxes: list[Outbox] = []

    def add(self, outbox: Outbox) -> None:
        """Write what waits in `outbox` when everything else of this turn was done."""
        if not self._outboxes:
            self._loop.call_soon(self._flush)
        self._outboxes.append(outbox)

    def _flush(self) -> None:
        outboxes, self._outboxes = self._outboxes, []
        for outbox in outboxes:
            outbox.flush()


class Outbox:
    """A bounded queue of encoded messages; a client that lets it fill up is `overflowed` once, and then given nothing.

    Several messages go into one frame of at most `frame_bytes_max` bytes, separated by newlines; one that is larger
    goes alone.
    """

    __slots__ = (
        "_bytes_max",
        "_closed",
        "_frame_bytes_max",
        "_loop",
        "_overflowed",
        "_pending",
        "_pending_bytes",
        "_room",
        "_scheduled",
        "_sink",
        "_turn",
    )

    def __init__(
        self, sink: Sink, overflowed: Callable[[], None], turn: Turn, *, bytes_max: int, frame_bytes_max: int
    ) -> None:
        self._sink = sink
        self._turn = turn
        self._overflowed = overflowed
        self._bytes_max = bytes_max
        self._frame_bytes_max = frame_bytes_max
        self._loop = asyncio.get_running_loop()
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._scheduled = False
        self._closed = False
        self._room: asyncio.Future[None] | None = None

    @property
    def waiting_bytes(self) -> int:
        """Return how much waits here and in the transport."""
        return self._pending_bytes + self._sink.write_buffer_bytes()

    def push(self, message: bytes) -> None:
        """Add a message; it is written in this turn of the loop, or when the client reads again."""
        if self._closed:
            return
        self._pending.append(message)
        self._pending_bytes += len(message) + 1
        if self._pending_bytes > self._bytes_max:
            self.flush()  # a fast client takes it; for a slow one it was too much
        elif not self._scheduled:
            self._scheduled = True
            self._turn.add(self)

    def flush(self) -> None:
        """Write what waits, as far as the peer takes it; also called when a paused peer reads again."""
        self._scheduled = False
        pending = self._pending
        while pending and not self._closed and not self._sink.paused:
            self._sink.write_text(self._gather())
        if not pending:
            self._wake()
        elif self._pending_bytes > self._bytes_max:
            self._overflow()

    def close(self) -> None:
        """Write what can still be written, and take nothing more."""
        self.flush()
        self._closed = True
        self._pending.clear()
        self._wake()

    async def drained(self) -> None:
        """Wait until nothing waits here: a client that asks for more than it reads waits for itself."""
        while self._pending and not self._closed:
            if self._room is None:
                self._room = self._loop.create_future()
            await self._room

    def _gather(self) -> bytes:
        pending = self._pending
        if self._pending_bytes <= self._frame_bytes_max:  # nearly always: all fits into one frame
            frame = b"\n".join(pending)
            pending.clear()
            self._pending_bytes = 0
            return frame
        first = pending.popleft()
        parts = [first]
        size = len(first)
        while pending and size + 1 + len(pending[0]) <= self._frame_bytes_max:
            part = pending.popleft()
            parts.append(part)
            size += 1 + len(part)
        self._pending_bytes -= size + 1
        return b"\n".join(parts)

    def _overflow(self) -> None:
        self._closed = True
        self._pending.clear()
        self._wake()
        self._loop.call_soon(
            self._overflowed
        )  # later: whoever pushes may be walking through all subscriptions

    def _wake(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None
