"""WebSocketProtocol: the reading half of a WebSocket: its handshake, and the limits on what a peer sends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent, WebSocketReceiveEvent
from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request

from chat.endpoints.connection import CONNECTION_EXTENSION, Connection, Offer
from ops.serving.connection import OPEN, ServerConnection
from ops.serving.inbox import Inbox
from ops.serving.text_frame import frame_end, read_text

if TYPE_CHECKING:
    from uvicorn.server import ServerState

    from ops.serving.options import ServerConfig

SWITCHING_PROTOCOLS = 101
SUBPROTOCOL_HEADER = "Sec-WebSocket-Protocol"
BAD_HANDSHAKE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

# Frames are parsed a slice at a time: a read of 256 KiB can hold 43,000 empty ones, which would take a fifth
# of a second and 6 MB before the first limit is looked at. What a chat sends fits into one slice.
SLICE_BYTES = 4096

QUEUED_MAX = 16  # messages that wait for the application before no more is read
QUEUED_BYTES_MAX = 16 * 1024

END_OF_HEAD = b"\r\n\r\n"
ASTRAY = -1


class WebSocketProtocol(ServerConnection):
    """One WebSocket of the server."""

    def __init__(
        self,
        config: ServerConfig,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.queue: Inbox[ASGIReceiveEvent] = Inbox(self.loop)  # type: ignore[assignment]
        self._unread = b""
        self._unread_from = 0
        self._owed = ASTRAY  # bytes until the parser is between two frames
        self._queued_bytes = 0
        self._offer: Offer | None = None
        self._control_frames = 0
        self._control_frames_since_s = 0.0

    # What comes in, and how fast it is taken

    def data_received(self, data: bytes) -> None:
        """Parse what came, no further than the application has read."""
        if self._unread:
            data = self._unread[self._unread_from :] + data
        elif self._owed == 0:
            data = self._take_texts(data)
        self._unread, self._unread_from = data, 0
        self._parse_unread()

    def listen(self, offer: Offer) -> None:
        """Offer each text to `offer` the moment that it comes; see Connection.listen."""
        self._offer = offer

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next event, and read on when the application has had all that came."""
        message = await self.queue.get()
        if self.queue.empty():
            self._queued_bytes = 0
            if self.read_paused:
                self._read_on()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        """Send; after a close, read on until the peer's own close is found."""
        await super().send(message)
        if message["type"] == "websocket.close":
            self._parse_unread()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was not parsed, and who listens."""
        self._unread = b""
        self._offer = None
        super().connection_lost(exc)

    def _take_texts(self, data: bytes) -> bytes:
        """Take the plain messages that `data` begins with, and return the rest, for the general parser."""
        if self.conn.state is not OPEN or self.conn.extensions or self.frames:
            return data
        start = 0
        while not self.read_paused and (found := read_text(data, start, self.config.ws_max_size)):
            start, payload = found
            self._take_text(payload)
        return data[start:]

    def _follow(self, piece: bytes) -> None:
        """Keep track of where the parser is; with half a head it is lost, and the parser reads all that comes."""
        if self.conn.state is not OPEN:
            self._owed = 0 if piece.endswith(END_OF_HEAD) else ASTRAY
        elif self._owed != ASTRAY:
            position: int | None = self._owed
            while position is not None and position < len(piece):
                position = frame_end(piece, position)
            self._owed = ASTRAY if position is None else position - len(piece)

    def _read_on(self) -> None:
        self.read_paused = False
        self._parse_unread()
        if not self.read_paused:
            self.transport.resume_reading()

    def _parse_unread(self) -> None:
        while self._unread and not self.read_paused and not self.transport.is_closing():
            start, self._unread_from = self._unread_from, self._unread_from + SLICE_BYTES
            piece = self._unread[start : self._unread_from]
            if self._unread_from >= len(self._unread):
                self._unread = b""
            self._follow(piece)
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
            self.fail(CloseCode.POLICY_VIOLATION, f"more than {self.options.fragments_max} fragments")
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Take a whole message."""
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.curr_msg_data_type == "text":
            self._take_text(data)
        elif not self.close_sent:
            self._queue({"type": "websocket.receive", "bytes": data}, len(data))

    def _take_text(self, data: bytes) -> None:
        """Hand a text to whoever listens, or queue it, unless it is no UTF-8."""
        if self.close_sent:
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self.fail(CloseCode.INVALID_DATA, "the text is not UTF-8")
            return
        if self._offer is None or not self.queue.awaited() or not self._offer(text):
            self._queue({"type": "websocket.receive", "text": text}, len(data))

    def _queue(self, event: WebSocketReceiveEvent, size_bytes: int) -> None:
        """Let the application receive an event, and read no more while many wait."""
        self.queue.put_nowait(event)
        self._queued_bytes += size_bytes
        # Pausing and resuming for each message would cost two system calls for each message.
        if self._queued_bytes >= QUEUED_BYTES_MAX or self.queue.qsize() >= QUEUED_MAX:
            self.read_paused = True
            self.transport.pause_reading()

    def handle_ping(self) -> None:
        """Answer a ping, unless the peer sends too many or reads none of the answers."""
        pong = b"".join(self.conn.data_to_send())
        if self._count_control_frame() and not self.paused:
            self.transport.write(pong)

    def handle_pong(self, event: Frame) -> None:
        """Ignore a pong, unless it is one too many: the server sends no pings."""
        self._count_control_frame()

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
            self.fail(CloseCode.POLICY_VIOLATION, "too many pings or pongs")
        return False


def drop_empty_subprotocols(headers: Headers) -> None:
    """Remove `Sec-WebSocket-Protocol` headers that name nothing: some clients send them, for a 400."""
    offered = headers.get_all(SUBPROTOCOL_HEADER)
    named = [value for value in offered if value.strip(" \t,")]
    if len(named) != len(offered):
        del headers[SUBPROTOCOL_HEADER]
        for value in named:
            headers[SUBPROTOCOL_HEADER] = value
