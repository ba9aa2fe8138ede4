"""What the server's tests share: a server in a thread, ours or bare uvicorn, and a client on raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, TypeVar

import uvicorn
import uvloop

from ops.server import Server
from ops.serving.http_protocol import HttpProtocol
from ops.serving.listeners import listen
from ops.serving.options import ServerConfig, ServerOptions
from ops.serving.websocket_protocol import WebSocketProtocol

LOOPBACK = "127.0.0.1"
TIMEOUT_S = 30.0
STEP_S = 0.01
DESCRIPTORS_MAX = 1_000_000

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handler = Callable[[Scope, Receive, Send], Awaitable[None]]
Limits = dict[str, Any]  # options by their names
Seen = TypeVar("Seen")


def application(handler: Handler, state: dict[str, object] | None = None) -> Handler:
    """An ASGI application with a lifespan that leaves `state`, and one handler for everything else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await handler(scope, receive, send)
            return
        await receive()
        scope["state"].update(state or {})
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return app


async def answer(send: Send, body: bytes = b"ok") -> None:
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})


class Running:
    """A server in a thread; an exception that ends it comes out of `stop`."""

    def __init__(self, server: uvicorn.Server, listener: socket.socket) -> None:
        self.server = server
        self.port: int = listener.getsockname()[1]
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, args=(listener,))
        self._thread.start()
        until(lambda: server.started or not self._thread.is_alive(), "the server's start")

    def in_loop(self, act: Callable[[], Seen]) -> Seen:
        """Return what `act` returns in the server's own thread, where its connections live."""
        assert self._loop is not None

        async def run() -> Seen:
            return act()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(TIMEOUT_S)

    def stop(self) -> float:
        """Stop the server as a signal does; returns how many seconds that took."""
        begun_s = time.monotonic()
        self.server.should_exit = True
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive(), "the server did not stop"
        if self._failure is not None:
            raise self._failure
        return time.monotonic() - begun_s

    def _run(self, listener: socket.socket) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                self._loop = runner.get_loop()
                runner.run(self.server.serve([listener]))
        except BaseException as error:
            self._failure = error
        finally:
            listener.close()


@contextlib.contextmanager
def serving(app: Handler, *, descriptors_max: int = DESCRIPTORS_MAX, **limits: Any) -> Iterator[Running]:
    """Our server, with `limits` for its options."""
    options = ServerOptions(**limits)
    config = ServerConfig(
        app, options, http=HttpProtocol, ws=WebSocketProtocol, descriptors_max=descriptors_max
    )
    running = Running(Server(config), listen(LOOPBACK, 0, options.backlog_connections)[0])
    try:
        yield running
    finally:
        running.stop()


@contextlib.contextmanager
def bare(app: Handler) -> Iterator[Running]:
    """uvicorn as it comes, for the controls."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        log_config=None,
        log_level="info",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    running = Running(uvicorn.Server(config), listen(LOOPBACK, 0, 100)[0])
    try:
        yield running
    finally:
        running.stop()


def until(look: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Wait until `look` returns something true; raises TimeoutError that says `what` was waited for."""
    deadline_s = time.monotonic() + timeout_s
    while not look():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}")
        time.sleep(STEP_S)


class Wire:
    """A client on raw bytes; every read has a deadline."""

    def __init__(self, port: int, receive_buffer_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(TIMEOUT_S)
        self._read = bytearray()
        try:
            self.socket.connect((LOOPBACK, port))
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_until(self, mark: bytes) -> bytes:
        while mark not in self._read:
            self._more()
        return self.take(self._read.index(mark) + len(mark))

    def take(self, size_bytes: int) -> bytes:
        while len(self._read) < size_bytes:
            self._more()
        taken = bytes(self._read[:size_bytes])
        del self._read[:size_bytes]
        return taken

    def rest(self) -> bytes:
        """Everything up to the end of the connection, however it ends."""
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                self._more()
        return self.take(len(self._read))

    def is_silent_for(self, timeout_s: float) -> bool:
        """Tell whether the connection stays open without a byte from the server for that long."""
        self.socket.settimeout(timeout_s)
        try:
            self._more()
        except TimeoutError:
            return True
        except (EOFError, ConnectionResetError):
            return False
        finally:
            self.socket.settimeout(TIMEOUT_S)
        return False

    def get(self, path: str = "/", *headers: str) -> int:
        """Send a request and return its answer's status; the answer's body is read away."""
        self.send(request(path, *headers))
        return self.status()

    def status(self) -> int:
        head = self.read_until(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        self.take(int(fields.get(b"content-length", b"0")))
        return int(head.split(b" ", 2)[1])

    def upgrade(self, path: str = "/", *headers: str) -> bytes:
        """Ask for a WebSocket and return the answer's head."""
        self.send(
            request(
                path,
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
                "Sec-WebSocket-Version: 13",
                *headers,
            )
        )
        return self.read_until(b"\r\n\r\n")

    def frame(self) -> tuple[int, bytes]:
        """Read a whole unmasked frame and return its opcode and payload."""
        first, length = self.take(2)
        if length == 126:
            (length,) = struct.unpack("!H", self.take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.take(8))
        return first & 0x0F, self.take(length)

    def close_code(self) -> int:
        """Read frames up to the close frame and return its code."""
        while True:
            opcode, payload = self.frame()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big")

    def _more(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError("the server closed the connection")
        self._read += data


CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def request(path: str = "/", *headers: str, method: str = "GET") -> bytes:
    """The bytes of a request without a body."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    """The bytes of a client's frame, masked with zeros."""
    first = (0x80 if final else 0) | opcode
    if len(payload) < 126:
        head = struct.pack("!BB", first, 0x80 | len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, len(payload))
    return head + bytes(4) + payload
