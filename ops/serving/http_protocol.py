"""HttpProtocol: uvicorn's HTTP connection with deadlines and limits: nobody holds a socket for nothing."""

from __future__ import annotations

import asyncio
import enum
import math
from http import HTTPStatus
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

if TYPE_CHECKING:
    from ops.serving.options import ServerConfig

NEVER_S = math.inf
HEADER_SEPARATORS_BYTES = 4  # the colon, the blank and the line end around a header's name and value


class Phase(enum.Enum):
    """What the peer is doing on its side of the connection."""

    IDLE = enum.auto()  # nothing, or waiting for an answer
    HEAD = enum.auto()  # sending a request line and headers
    BODY = enum.auto()
    REFUSED = enum.auto()  # reading why it was refused; what it still sends is dropped
    CLOSING = enum.auto()  # taking the last bytes


class HttpState(ServerState):
    """uvicorn's shared state, with the HTTP connections that the server looks at for their deadlines."""

    def __init__(self) -> None:
        super().__init__()
        self.http_connections: set[HttpProtocol] = set()


class RefusedError(Exception):
    """A limit stops the parser in the midst of a request."""


class HttpProtocol(HttpToolsProtocol):
    """One HTTP connection. It sets no timers: the server calls `close_if_overdue` ten times a second."""

    def __init__(
        self,
        config: ServerConfig,
        server_state: HttpState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.options = config.options
        self.descriptors_max = config.descriptors_max
        self.http_connections = server_state.http_connections
        self.logger = config.protocol_logger
        self._phase = Phase.IDLE
        self._deadline_s = NEVER_S
        self._write_deadline_s = NEVER_S
        self._head_bytes = 0
        self._body_bytes = 0
        self._body_since_s = 0.0
        self._refusal = HTTPStatus.BAD_REQUEST

    def close_if_overdue(self, now_s: float) -> None:
        """End the connection if its peer has let a deadline pass; `now_s` is the event loop's time."""
        if self.transport.is_closing():
            self._cut_if_lingering(now_s)
        elif now_s >= self._write_deadline_s:
            self.transport.abort()
        elif self.flow.read_paused:
            self._grant_time(now_s)
        elif now_s >= self._deadline_s:
            self._end_overdue()

    # The transport's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the wait for the first request."""
        super().connection_made(transport)
        self.http_connections.add(self)
        self._deadline_s = self.loop.time() + self.options.idle_timeout_s
        # The lowest free number is taken first: a high one tells that few are left, and files need them too.
        if transport.get_extra_info("socket").fileno() >= self.descriptors_max:
            transport.write(self._refusal_of(HTTPStatus.SERVICE_UNAVAILABLE))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.http_connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and hold it against the limits."""
        if self._phase is Phase.REFUSED:
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._phase is Phase.HEAD and self._head_bytes > self.options.header_bytes_max:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._phase is Phase.BODY:
            self._extend_body(len(data))

    def pause_writing(self) -> None:
        """Give the peer a time to take what waits for it."""
        super().pause_writing()
        self._write_deadline_s = self.loop.time() + self.options.response_stall_s

    def resume_writing(self) -> None:
        """Stop the clock: the peer took it."""
        super().resume_writing()
        self._write_deadline_s = NEVER_S

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to the WebSocket protocol, which has its own limits."""
        self.http_connections.discard(self)
        super().handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment] # it refers back to us: both would wait for the collector

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not read, or what a limit stopped."""
        self._refuse(self._refusal)

    # The parser's side

    def on_message_begin(self) -> None:
        """Time a request from its first byte."""
        super().on_message_begin()
        self._phase = Phase.HEAD
        self._deadline_s = self.loop.time() + self.options.header_timeout_s

    def on_headers_complete(self) -> None:
        """Start a request whose head is complete; raises RefusedError, which ends the parsing, at a limit."""
        self._check_head()
        self._head_bytes = self._body_bytes = 0
        self._phase = Phase.BODY
        self._body_since_s = self.loop.time()
        self._extend_body(0)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the clock: from now on it is the application that takes its time."""
        super().on_message_complete()
        self._head_bytes = 0
        self._phase = Phase.IDLE
        request = self._request()
        answered = request is not None and request.response_complete
        self._deadline_s = self.loop.time() + self.options.idle_timeout_s if answered else NEVER_S

    def on_response_complete(self) -> None:
        """Begin the wait for the next request, unless it has come already."""
        super().on_response_complete()
        idle = self.timeout_keep_alive_task is not None
        if idle and self._phase is Phase.IDLE:
            self._deadline_s = self.loop.time() + self.options.idle_timeout_s

    def _check_head(self) -> None:
        if len(self.headers) > self.options.headers_max or self._head_is_too_large():
            self._stop_parsing(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if len(self.pipeline) >= self.options.pipelined_requests_max:
            self._stop_parsing(HTTPStatus.TOO_MANY_REQUESTS)

    def _head_is_too_large(self) -> bool:
        # The count of bytes may include a body that came in the same piece: only then is the head measured.
        if self._head_bytes <= self.options.header_bytes_max:
            return False
        headers_bytes = sum(len(name) + len(value) + HEADER_SEPARATORS_BYTES for name, value in self.headers)
        return len(self.url) + headers_bytes > self.options.header_bytes_max

    def _stop_parsing(self, status: HTTPStatus) -> None:
        self._refusal = status
        raise RefusedError(status.phrase)

    def _extend_body(self, size_bytes: int) -> None:
        options = self.options
        self._body_bytes += size_bytes
        slowest_s = options.body_silence_s + self._body_bytes / options.body_bytes_per_s_min
        self._deadline_s = min(self.loop.time() + options.body_silence_s, self._body_since_s + slowest_s)

    # The end

    def _grant_time(self, now_s: float) -> None:
        # It is we who do not read, because the application is behind: the peer's clock starts when we do.
        self._body_since_s, self._body_bytes = now_s, 0
        body = self._phase is Phase.BODY
        time_s = self.options.body_silence_s if body else self.options.header_timeout_s
        self._deadline_s = max(self._deadline_s, now_s + time_s)

    def _end_overdue(self) -> None:
        if self._phase in (Phase.HEAD, Phase.BODY):
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _cut_if_lingering(self, now_s: float) -> None:
        # transport.close() waits until everything is written: with a peer that does not read, for ever.
        if self._phase is not Phase.CLOSING:
            self._phase = Phase.CLOSING
            self._deadline_s = now_s + self.options.close_timeout_s
        elif now_s >= self._deadline_s:
            self.transport.abort()

    def _refuse(self, status: HTTPStatus) -> None:
        if not self._may_answer():
            self.transport.close()
            return
        self._unset_keepalive_if_required()
        request = self._request()
        if self._phase is Phase.BODY and request is not None:
            # The application waits for the rest of the body: it is told that the client is gone.
            request.disconnected = True
            request.message_event.set()
        self._phase = Phase.REFUSED
        self._deadline_s = self.loop.time() + self.options.refusal_linger_s
        self.transport.write(self._refusal_of(status))
        # Half-closed only: a reset, which unread input would cause, could overtake the answer.
        self.transport.write_eof()

    def _may_answer(self) -> bool:
        # Answers come in the order of the requests: while an earlier one is in work, this one has no place.
        if self.transport.is_closing() or self.pipeline:
            return False
        request = self._request()
        if request is None:
            return True
        return not request.response_started if self._phase is Phase.BODY else request.response_complete

    def _request(self) -> RequestResponseCycle | None:
        return self.cycle  # which uvicorn declares as always there; before the first request it is None

    def _refusal_of(self, status: HTTPStatus) -> bytes:
        text = f"{status.phrase}\n".encode()
        head = [f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()]
        head += [name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers]
        head.append(b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n")
        head.append(b"content-length: %d\r\n\r\n" % len(text))
        return b"".join(head) + text
