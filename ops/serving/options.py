"""ServerOptions: every number of the HTTP and WebSocket server; ServerConfig: how uvicorn gets them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import uvicorn

from ops.serving.lifespan import Lifespan

Application = Callable[..., Awaitable[None]]
PROTOCOL_LOGGER = "palaver.protocol"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerOptions:
    """What one server listens on, and every limit that it holds its clients to."""

    # Where it listens
    host: str = "127.0.0.1"
    port: int = 8000  # 0 takes a free one
    backlog_connections: int = 2048  # that the kernel keeps for us until they are accepted
    trusted_proxies: tuple[str, ...] = ()  # addresses or networks whose X-Forwarded-For is believed

    # What an HTTP connection may do
    idle_timeout_s: float = 15.0  # without a request, at the beginning or between two
    header_timeout_s: float = 5.0  # from a request's first byte to the end of its head
    header_bytes_max: int = 64 * 1024  # request line and headers together
    headers_max: int = 100
    body_silence_s: float = 30.0  # between two pieces of a body
    body_bytes_per_s_min: int = 512  # once a body takes longer than body_silence_s
    response_stall_s: float = 30.0  # for a peer to take what waits for it
    pipelined_requests_max: int = 8  # sent before the answer to the one in work
    refusal_linger_s: float = 1.0  # that a refused client has to read why

    # What a WebSocket may do
    message_bytes_max: int = 64 * 1024  # the application's limit, which the application answers
    message_margin_bytes: int = 64 * 1024  # above it, before the server itself closes with 1009
    fragments_max: int = 64  # of one message
    control_frames_per_s_max: int = 50  # pings and pongs
    close_timeout_s: float = 5.0  # from our close frame, or the last byte due, to the cut
    send_buffer_bytes: int = 64 * 1024  # SO_SNDBUF; 0 leaves the kernel's own, which takes 4 MB unread
    write_high_water_bytes: int = 64 * 1024  # in this process, above which a connection is paused
    compress: bool = False  # permessage-deflate

    # The process
    descriptors_reserve: int = 64  # kept for files and databases; connections beyond are answered 503
    drain_timeout_s: float = 4.0  # for the application to say goodbye to its clients
    finish_timeout_s: float = 2.0  # for requests and sockets to end by themselves after that
    shutdown_timeout_s: float = 10.0  # in all, with the application's own end


class ServerConfig(uvicorn.Config):
    """uvicorn's configuration made from ServerOptions, which our protocols find in `options`."""

    def __init__(
        self,
        app: Application,
        options: ServerOptions,
        *,
        http: type[asyncio.Protocol],
        ws: type[asyncio.Protocol],
        descriptors_max: int,
    ) -> None:
        self.options = options
        self.descriptors_max = descriptors_max
        # uvicorn logs every socket's URL, and below info whole requests and frames: all may hold tokens.
        self.protocol_logger = logging.getLogger(PROTOCOL_LOGGER)
        self.protocol_logger.setLevel(logging.ERROR)
        uvicorn_logger = logging.getLogger("uvicorn.error")
        uvicorn_logger.setLevel(max(logging.getLogger().getEffectiveLevel(), logging.INFO))
        super().__init__(
            app,
            loop="uvloop",
            http=http,
            ws=ws,
            interface="asgi3",
            lifespan="on",
            workers=1,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(options.trusted_proxies),
            forwarded_allow_ips=list(options.trusted_proxies),
            backlog=options.backlog_connections,
            timeout_keep_alive=math.ceil(options.idle_timeout_s) + 1,  # a net beneath our own deadline
            ws_max_size=options.message_bytes_max + options.message_margin_bytes,
            ws_ping_interval=None,  # the chat protocol has its own pings
            ws_ping_timeout=None,
            ws_per_message_deflate=options.compress,
        )

    def load(self) -> None:
        """Load as uvicorn does, with our Lifespan."""
        super().load()
        self.lifespan_class = Lifespan
