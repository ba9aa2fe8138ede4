"""HTTP over a unix socket, no more than Litestream's control socket needs: kept connections, whole answers.

A general client spends more processor time on each question than Litestream needs to answer it; and a group of acks
asks a hundred times a second.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import httptools

ANSWER_BYTES_MAX = 16 * 1024 * 1024
REQUEST = (
    "{method} {target} HTTP/1.1\r\n"
    "Host: litestream\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: {length}\r\n\r\n"
)


class ConnectionDropped(OSError):
    """The connection ended, or said what is no HTTP, before the answer was whole."""


class UnixHttp:
    """Asks one socket. At most `connections_max` questions are under way; one more waits for its turn."""

    def __init__(self, path: Path, connections_max: int) -> None:
        self._path = path
        self._turn = asyncio.Semaphore(connections_max)
        self._idle: list[_Connection] = []

    async def ask(self, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
        """Return status and content of an answer; raises OSError. Who is cancelled gives the connection up."""
        async with self._turn:
            while self._idle:
                connection = self._idle.pop()
                if connection.usable:
                    break
            else:
                connection = await self._connect()
            try:
                answer = await connection.ask(method, target, body)
            except BaseException:
                connection.close()
                raise
            if connection.usable:
                self._idle.append(connection)
            return answer

    def close(self) -> None:
        """Close the connections that nobody uses; the others close when their question ends."""
        while self._idle:
            self._idle.pop().close()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(_Connection, str(self._path))
        return connection


class _Connection(asyncio.Protocol):
    """One connection, asked one question at a time."""

    def __init__(self) -> None:
        self.usable = True
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._parts: list[bytes] = []
        self._size_bytes = 0
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    async def ask(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Send a question and wait for its answer; raises ConnectionDropped."""
        if self._transport is None or not self.usable:
            raise ConnectionDropped("the connection is closed")
        self._parser = httptools.HttpResponseParser(self)
        self._parts, self._size_bytes = [], 0
        self._answer = asyncio.get_running_loop().create_future()
        head = REQUEST.format(method=method, target=target, length=len(body))
        self._transport.write(head.encode() + body)
        return await self._answer

    def close(self) -> None:
        """Close at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; uvloop's are no subclasses of asyncio's."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits that no answer comes."""
        self._fail(str(error) if error else "the connection was closed")

    def data_received(self, data: bytes) -> None:
        """Read on; what comes without a question ends the connection."""
        if self._parser is None or self._answer is None or self._answer.done():
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"what it said is no HTTP: {error}")
            self.close()

    def on_body(self, body: bytes) -> None:
        """Keep a part of the answer."""
        self._size_bytes += len(body)
        if self._size_bytes > ANSWER_BYTES_MAX:
            self._fail(f"its answer is longer than {ANSWER_BYTES_MAX} bytes")
            self.close()
            return
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """Hand the whole answer over."""
        parser, answer = self._parser, self._answer
        if parser is None or answer is None or answer.done():
            return
        self.usable = self.usable and parser.should_keep_alive()
        answer.set_result((parser.get_status_code(), b"".join(self._parts)))

    def _fail(self, reason: str) -> None:
        self.usable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionDropped(reason))
