"""WebSocketProtocol: uvicorn's WebSocket with the limits that it lacks, and a Connection for endpoints."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import State

from chat.endpoints.connection import CONNECTION_EXTENSION, Connection

if TYPE_CHECKING:
    from uvicorn.server import ServerState

    from ops.server_options import ServerConfig

OPEN = State.OPEN  # looked up once: an enum member costs more than the rest of the test
SWITCHING_PROTOCOLS = 101
SUBPROTOCOL_HEADER = "Sec-WebSocket-Protocol"
BAD_HANDSHAKE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

# Frames are parsed a slice at a time: a read of 256 KiB can hold 40,000 empty ones, which would take a third
# of a second and 10 MB before the first limit is looked at. What a chat sends fits into one slice.
SLICE_BYTES = 4096

# RFC 6455 §5.2: FIN and opcode 1, no mask, and the length in 7, 16 or 64 bits.
TEXT_HEAD = 0x81
LENGTH_7_MAX = 125
LENGTH_16 = 126
LENGTH_16_MAX = 0xFFFF
LENGTH_64 = 127


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket, which is also the Connection that its endpoint finds in the scope."""

    def __init__(
        self,
        config: ServerConfig,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.options = config.options
        self.close_timeout = config.options.close_timeout_s
        self.logger = self.conn.logger = config.protocol_logger
        self.conn.debug = False
        self._unread = b""
        self._unread_from = 0
        self._control_frames = 0
        self._control_frames_since_s = 0.0
        self._resumed: Callable[[], None] | None = None

    # The Connection

    @property
    def paused(self) -> bool:
        """Tell whether the peer reads too slowly."""
        return not self.writable.is_set()

    def write_text(self, payload: bytes) -> None:
        """Send UTF-8 text as one complete message; nothing unless the WebSocket is open."""
        if self.conn.state is not OPEN or self.transport.is_closing():
            return
        if self.conn.extensions:
            self.conn.send_text(payload)
            self.transport.write(b"".join(self.conn.data_to_send()))
        else:
            self.transport.write(text_head(len(payload)) + payload)

    def write_buffer_bytes(self) -> int:
        """Return how many bytes wait in this process."""
        return self.transport.get_write_buffer_size()

    def on_resume(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the connection is no longer paused, or lost while it was."""
        self._resumed = callback

    def abort(self) -> None:
        """Cut the connection at once."""
        self.transport.abort()

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over from the HTTP connection; bound what kernel and transport keep for a slow peer."""
        super().connection_made(transport)
        if self.options.send_buffer_bytes:
            kernel: socket.socket = self.transport.get_extra_info("socket")
            kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.options.send_buffer_bytes)
        self.transport.set_write_buffer_limits(high=self.options.write_high_water_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake who waits for a resume."""
        was_paused = self.paused
        self._unread = b""
        super().connection_lost(exc)
        if was_paused and self._resumed is not None:
            self._resumed()
        self._resumed = None

    def resume_writing(self) -> None:
        """Tell the application that it may go on."""
        super().resume_writing()
        if self._resumed is not None:
            self._resumed()

    def data_received(self, data: bytes) -> None:
        """Parse what came, no further than the application has read."""
        if self._unread:
            data = self._unread[self._unread_from :] + data
        self._unread, self._unread_from = data, 0
        self._parse_unread()

    def _parse_unread(self) -> None:
        while self._unread and not self.read_paused and not self.transport.is_closing():
            start, self._unread_from = self._unread_from, self._unread_from + SLICE_BYTES
            piece = self._unread[start : self._unread_from]
            if self._unread_from >= len(self._unread):
                self._unread = b""
            super().data_received(piece)
            if self.conn.handshake_exc is not None and not self.handshake_initiated:
                self._refuse_handshake()

    # The handshake

    def handle_connect(self, event: Request) -> None:
        """Shake hands, and put the Connection into the scope."""
        drop_empty_subprotocols(event.headers)
        super().handle_connect(event)
        if self.response.status_code == SWITCHING_PROTOCOLS:
            connection: Connection = self
            extensions = cast("dict[str, object]", self.scope["extensions"])
            extensions[CONNECTION_EXTENSION] = connection

    def _refuse_handshake(self) -> None:
        # A head that websockets cannot read raises no event: uvicorn would leave the peer without an answer.
        self.transport.write(b"".join(self.conn.data_to_send()) or BAD_HANDSHAKE)
        self.handshake_complete = self.close_sent = True
        self.transport.close()

    # Frames

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment, up to the limit: a million empty ones would pass the limit on bytes."""
        if self.close_sent:
            return
        if len(self.frames) >= self.options.fragments_max:
            self._fail(CloseCode.POLICY_VIOLATION, f"more than {self.options.fragments_max} fragments")
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answer a ping, unless the peer sends too many or reads none of the answers."""
        pong = b"".join(self.conn.data_to_send())
        if self._count_control_frame() and not self.paused:
            self.transport.write(pong)

    def handle_pong(self, event: Frame) -> None:
        """Ignore a pong, unless it is one too many: the server sends no pings."""
        self._count_control_frame()

    def handle_close(self, event: Frame) -> None:
        """Answer the peer's close, and cut the connection if it does not read the answer."""
        super().handle_close(event)
        self._abort_later()

    def handle_parser_exception(self) -> None:
        """Send the close frame that names the error, and cut the connection if it is not read."""
        super().handle_parser_exception()
        self._abort_later()

    def _count_control_frame(self) -> bool:
        now_s = self.loop.time()
        if now_s - self._control_frames_since_s >= 1.0:
            self._control_frames, self._control_frames_since_s = 0, now_s
        self._control_frames += 1
        if self._control_frames <= self.options.control_frames_per_s_max:
            return True
        if self.close_sent:
            self.abort()
        else:
            self._fail(CloseCode.POLICY_VIOLATION, "too many pings or pongs")
        return False

    def _fail(self, code: CloseCode, reason: str) -> None:
        self.frames = []
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    # The application's side

    async def run_asgi(self) -> None:
        """Run the application; when it has returned, the connection ends too."""
        await super().run_asgi()
        if self.close_timer is None:
            self._abort_later()

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next event, and read on when the application has had all that came."""
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self._parse_unread()
            if not self.read_paused:
                self.transport.resume_reading()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        """Send as uvicorn does; a close that the peer leaves unanswered, or unread, ends in a cut."""
        await super().send(message)
        if message["type"] == "websocket.close":
            self._parse_unread()
            self._abort_later()

    def shutdown(self) -> None:
        """Close with 1012 what the application left open when the server stops."""
        if self.handshake_complete and self.conn.state is not OPEN:
            self.transport.close()
        else:
            super().shutdown()
        self._abort_later()

    def _abort_later(self) -> None:
        # transport.close() waits until everything is written: with a peer that does not read, for ever.
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = None if self.disconnected else self.loop.call_later(self.close_timeout, self.abort)


def text_head(length_bytes: int) -> bytes:
    """Return the head of a server's text frame with a payload of that length."""
    if length_bytes <= LENGTH_7_MAX:
        return bytes((TEXT_HEAD, length_bytes))
    if length_bytes <= LENGTH_16_MAX:
        return bytes((TEXT_HEAD, LENGTH_16)) + length_bytes.to_bytes(2, "big")
    return bytes((TEXT_HEAD, LENGTH_64)) + length_bytes.to_bytes(8, "big")


def drop_empty_subprotocols(headers: Headers) -> None:
    """Remove `Sec-WebSocket-Protocol` headers that name nothing: some clients send them, for a 400."""
    offered = headers.get_all(SUBPROTOCOL_HEADER)
    named = [value for value in offered if value.strip(" \t,")]
    if len(named) != len(offered):
        del headers[SUBPROTOCOL_HEADER]
        for value in named:
            headers[SUBPROTOCOL_HEADER] = value
