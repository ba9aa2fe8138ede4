"""ServerConnection: the writing half of a WebSocket: what endpoints write with, and how it ends in time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

from ops.serving.text_frame import text_head

if TYPE_CHECKING:
    from uvicorn.server import ServerState

    from ops.serving.options import ServerConfig

OPEN = State.OPEN  # looked up once: an enum member costs more than the rest of the test


class ServerConnection(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which offers itself as the Connection that endpoints look for."""

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
        self._ended_by_us = False
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
        super().connection_lost(exc)
        if was_paused and self._resumed is not None:
            self._resumed()
        self._resumed = None

    def resume_writing(self) -> None:
        """Tell the application that it may go on."""
        super().resume_writing()
        if self._resumed is not None:
            self._resumed()

    # The end

    async def send(self, message: ASGISendEvent) -> None:
        """Send as uvicorn does; a close that the peer leaves unanswered, or unread, ends in a cut.

        Raises ClientDisconnected, an OSError, when the connection has ended.
        """
        if self._ended_by_us:
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.close":
            self._abort_later()

    def fail(self, code: CloseCode, reason: str) -> None:
        """End the connection for what the peer has sent."""
        self.frames = []
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Send the close frame that names the error, and cut the connection if it is not read."""
        self._ended_by_us = True
        super().handle_parser_exception()
        self._abort_later()

    def handle_close(self, event: Frame) -> None:
        """Answer the peer's close, and cut the connection if it does not read the answer."""
        super().handle_close(event)
        self._abort_later()

    def shutdown(self) -> None:
        """Close with 1012 what the application left open when the server stops.

        A connection that is closing already is left to its peer for as long as the server waits: to end it
        now could be a reset, and the peer would never read the code that the application gave.
        """
        if not self.handshake_complete or self.conn.state is OPEN:
            self._ended_by_us = True
            super().shutdown()
            self._abort_later()

    async def run_asgi(self) -> None:
        """Run the application; when it has returned, the connection ends too."""
        await super().run_asgi()
        if self.close_timer is None:
            self._abort_later()

    def _abort_later(self) -> None:
        # transport.close() waits until everything is written: with a peer that does not read, for ever.
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = None if self.disconnected else self.loop.call_later(self.close_timeout, self.abort)
