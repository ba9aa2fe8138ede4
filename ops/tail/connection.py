"""A Centrifuge connection in JSON over the websockets library: commands out, replies in, pings answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from ops.tail.ending import Ending, ExitCode, Lost, ending_of_close
from ops.tail.wire import Command, Reply, decode_frame

PATH = "/connection/websocket"
SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
CONNECT_TIMEOUT_S = 15.0
REPLY_TIMEOUT_S = 30.0
PING_GRACE_S = 10.0
FRAME_BYTES_MAX = 64 * 1024 * 1024
"""The largest frame that is read: a page of 200 of the longest messages fits."""

TEMPORARY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
PONG = "{}"


class Connection:
    """An open socket. Every method raises Lost, or Ending for a close that is final."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._asked_s: dict[int, float] = {}
        self._silence_s = CONNECT_TIMEOUT_S

    async def send(self, command: Command) -> None:
        """Send a command that has an id; its reply is due within REPLY_TIMEOUT_S."""
        number = command["id"]
        assert isinstance(number, int)
        self._asked_s[number] = asyncio.get_running_loop().time()
        await self._write(msgspec.json.encode(command).decode())

    async def receive(self) -> list[Reply]:
        """Return the replies of the next frame, pings answered and left out."""
        replies = await self._read()
        for reply in replies:
            self._asked_s.pop(reply.id, None)
            if reply.connect is not None and reply.connect.ping:
                self._silence_s = reply.connect.ping + PING_GRACE_S
        if any(reply.is_ping for reply in replies):
            await self._write(PONG)
        return [reply for reply in replies if not reply.is_ping]

    async def _read(self) -> list[Reply]:
        try:
            async with asyncio.timeout_at(self._deadline_s()):
                return decode_frame(await self._socket.recv())
        except TimeoutError:
            raise Lost("the server is silent") from None
        except ConnectionClosed as closed:
            raise _ended(closed) from closed
        except msgspec.DecodeError as error:
            raise unreadable(error) from error

    async def _write(self, frame: str) -> None:
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                await self._socket.send(frame)
        except TimeoutError:
            raise Lost("the server reads nothing") from None
        except ConnectionClosed as closed:
            raise _ended(closed) from closed

    def _deadline_s(self) -> float:
        silent_s = asyncio.get_running_loop().time() + self._silence_s
        if not self._asked_s:
            return silent_s
        return min(silent_s, min(self._asked_s.values()) + REPLY_TIMEOUT_S)


@asynccontextmanager
async def open_connection(url: str) -> AsyncIterator[Connection]:
    """Open the socket of the server at `url`, and close it in the end. Raises Lost or Ending on failure."""
    socket = await _open(socket_url(url))
    try:
        yield Connection(socket)
    finally:
        await socket.close()


def socket_url(url: str) -> str:
    """Return the address of the socket of a server. Raises Ending where `url` is no address."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        port = parts.port  # raises ValueError for what is none, as the line above does
    except ValueError as error:
        raise _no_address(url) from error
    scheme = SCHEMES.get(parts.scheme)
    if scheme is None or not host or port == 0:
        raise _no_address(url)
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}{PATH}"


def unreadable(error: msgspec.DecodeError) -> Ending:
    """Return the ending of an answer that is none."""
    return Ending(
        ExitCode.REFUSED,
        f"The answer of the server cannot be read ({error}): check that it is a Palaver of the same version.",
    )


async def _open(address: str) -> ClientConnection:
    try:
        return await connect(
            address,
            compression=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=FRAME_BYTES_MAX,
            ping_interval=None,
            proxy=None,
        )
    except InvalidStatus as refused:
        raise _refused(refused.response.status_code) from refused
    except InvalidURI as error:
        raise _no_address(address) from error
    except (OSError, InvalidHandshake, EOFError) as error:
        raise Lost(f"the server at {address} cannot be reached ({error})") from error


def _no_address(url: str) -> Ending:
    return Ending(ExitCode.REFUSED, f"{url} is no address: write it as http://127.0.0.1:8000.")


def _refused(status: int) -> Ending | Lost:
    if status in TEMPORARY_STATUS:
        return Lost(f"the server answers {status}")
    return Ending(
        ExitCode.REFUSED, f"The server answers {status}: check that --url is the address of a Palaver."
    )


def _ended(closed: ConnectionClosed) -> Ending | Lost:
    if closed.rcvd is None:
        return Lost("the connection broke")
    return ending_of_close(closed.rcvd.code, closed.rcvd.reason)
