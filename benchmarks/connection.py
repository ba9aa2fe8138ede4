"""One socket of the crowd. In the timed window it counts marks in the bytes; they are decoded afterwards."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import cast

import msgspec

from benchmarks import frames
from benchmarks.dialects.dialect import Dialect, Refused
from benchmarks.job import HOST, BenchmarkFailed, Seat
from benchmarks.tally import Tally

CONTENT = "Most of what is said in a chat is shorter than this line, which stands for all of it here."
OnAck = Callable[["Connection", float], None]


class Connection(asyncio.Protocol):
    """A seat that is taken: sends numbered messages and keeps all that arrives, with the time of its arrival.

    `base_seq` is the conversation's last seq when the seat was taken. `measured_from` is how many messages
    were sent before the timed window. `on_ack` is called for every ack with its time of arrival in seconds.
    """

    def __init__(self, seat: Seat, port: int, dialect: Dialect, tally: Tally) -> None:
        self.seat = seat
        self.base_seq = 0
        self.measured_from = 0
        self.keys: list[str] = []
        self.due_s: list[float] = []
        self.received: list[bytes] = []
        self.received_s: list[float] = []
        self.on_ack: OnAck | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._port = port
        self._dialect = dialect
        self._tally = tally
        self._rest = b""
        self._upgraded = False
        self._live = False
        self._closing = False
        self._transport: asyncio.Transport | None = None

    def send(self, due_s: float) -> None:
        """Send the next message; `due_s` is when it was to be sent, from where its latency counts."""
        key = _new_key()
        self.keys.append(key)
        self.due_s.append(due_s)
        self._tally.sent += 1
        self._write(frames.encode(self._dialect.message(self.seat, len(self.keys), key, CONTENT)))

    def close(self) -> None:
        """Drop the connection."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(frames.handshake(HOST, self._port, self._dialect.path(self.seat)))

    def connection_lost(self, error: Exception | None) -> None:
        """End the run, unless it was this side that closed."""
        if not self._closing:
            self._fail(BenchmarkFailed(f"the server dropped {self.seat.user}: {error or 'end of stream'}"))

    def data_received(self, data: bytes) -> None:
        """Keep whole frames and count what is in them."""
        now_s = time.perf_counter()
        if self._rest:
            data = self._rest + data
            self._rest = b""
        if not self._live:
            self._open(data)
            return
        end, plain = frames.whole(data)
        if end != len(data):
            self._rest = data[end:]
            data = data[:end]
        if end:
            self._take(data, plain, now_s)

    def _take(self, data: bytes, plain: bool, now_s: float) -> None:
        self.received.append(data)
        self.received_s.append(now_s)
        dialect, tally = self._dialect, self._tally
        if not plain or (dialect.ping_line is not None and dialect.ping_line in data):
            self._answer_pings(data)
        tally.delivered += data.count(dialect.delivery_mark)
        for _ in range(data.count(dialect.ack_mark)):
            tally.acked += 1
            if self.on_ack is not None:
                self.on_ack(self, now_s)
        if tally.awaited:
            tally.look()

    def _answer_pings(self, data: bytes) -> None:
        line = self._dialect.ping_line
        for first, payload in frames.split(data):
            if first == frames.PING:
                self._write(frames.encode(payload, frames.PONG))
            elif first == frames.CLOSE:
                self._fail(BenchmarkFailed(f"the server closed {self.seat.user}: {_close_text(payload)}"))
            elif first == frames.TEXT and line is not None and line in payload.split(b"\n"):
                self._write(frames.encode(line))

    def _open(self, data: bytes) -> None:
        try:
            self._rest = self._greet(data)
        except (frames.BadHandshake, Refused, msgspec.DecodeError) as error:
            self._fail(BenchmarkFailed(f"{self.seat.user} was refused: {error}"))
            return
        if self._live:
            self.opened.set_result(None)
            self.data_received(b"")

    def _greet(self, data: bytes) -> bytes:
        """Go on with the opening and return what is left of `data`."""
        if not self._upgraded:
            head, found, data = data.partition(frames.HEAD_END)
            if not found:
                return head
            frames.check_handshake(head)
            self._upgraded = True
            greeting = self._dialect.greeting(self.seat)
            if greeting:
                self._write(frames.encode(greeting))
        return self._await_welcome(data)

    def _await_welcome(self, data: bytes) -> bytes:
        end, _ = frames.whole(data)
        for first, payload in frames.split(data[:end]):
            if first == frames.CLOSE:
                raise Refused(f"closed with {_close_text(payload)}")
            last_seq = self._dialect.welcome(payload) if first == frames.TEXT else None
            if last_seq is not None:
                self.base_seq = last_seq
                self._live = True
        return data[end:]

    def _write(self, frame: bytes) -> None:
        assert self._transport is not None
        self._transport.write(frame)

    def _fail(self, error: BenchmarkFailed) -> None:
        self._closing = True
        if not self.opened.done():
            self.opened.set_exception(error)
        else:
            self._tally.fail(error)


def _new_key() -> str:
    """Return a random UUID of version 4, as browsers make them; four times as fast as uuid.uuid4()."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _close_text(payload: bytes) -> str:
    return f"{int.from_bytes(payload[:2], 'big')} {payload[2:].decode(errors='replace')}"
