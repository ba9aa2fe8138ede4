"""serve: one uvicorn server that owns its signals, says goodbye to its clients and ends in time, honestly.

uvicorn is imported here and by what is built on it in ops/serving.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from types import FrameType
from typing import cast

import uvicorn
import uvloop

from ops.serving.http_protocol import HttpProtocol, HttpState
from ops.serving.lifespan import Lifespan
from ops.serving.listeners import ListenError, listen
from ops.serving.options import Application, ServerConfig, ServerOptions
from ops.serving.websocket_protocol import WebSocketProtocol

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_FORCED = 130  # what a shell reports for a program that Ctrl-C has ended

DRAIN = "drain"  # the key of the lifespan state under which an application leaves an async callable
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Some launchers pass on a Ctrl-C that the terminal has sent to the whole process group: that is one wish.
SAME_WISH_S = 0.5
DESCRIPTORS_MAX = 1_048_576  # macOS names no limit and refuses to have none
ABORT_GRACE_S = 0.5
LOOK_AGAIN_S = 0.02

Drain = Callable[[], Awaitable[None]]
Started = Callable[[tuple[str, int]], None]

logger = logging.getLogger("palaver.server")


def serve(app: Application, options: ServerOptions, started: Started | None = None) -> int:
    """Serve `app` until SIGINT or SIGTERM, and return the process's exit code.

    0: stopped as asked. 1: could not start, or the application failed; the log says why and what to do.
    130: a second SIGINT cut the shutdown short. `started` is called with address and port once it serves.

    At the end no more connections are accepted; then the application's own `drain` is awaited, an async
    callable in the lifespan state that closes its sockets as its protocol asks; then uvicorn closes the rest,
    requests in work get a moment, and the lifespan ends. The options bound it all. For the main thread only.
    """
    descriptors = raise_descriptor_limit()
    try:
        listeners = listen(options.host, options.port, options.backlog_connections)
    except ListenError as error:
        logger.error("%s", error)
        return EXIT_FAILED
    config = ServerConfig(
        app,
        options,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        descriptors_max=max(descriptors - options.descriptors_reserve, 0),
    )
    return Server(config, started).run_on(listeners)


def raise_descriptor_limit() -> int:
    """Allow this process as many file descriptors as the system lets it have; returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError) as error:
        logger.warning("the limit of %d file descriptors could not be raised to %d: %s", soft, wanted, error)
        return soft
    return wanted


class Server(uvicorn.Server):
    """uvicorn's server, for one run."""

    config: ServerConfig
    lifespan: Lifespan
    server_state: HttpState

    def __init__(self, config: ServerConfig, started: Started | None = None) -> None:
        super().__init__(config)
        self.options = config.options
        self.server_state = HttpState()
        self.exit_code = EXIT_OK
        self._on_started = started
        self._asked_to_stop_s: float | None = None
        self._run: asyncio.Task[None] | None = None

    def run_on(self, listeners: Sequence[socket.socket]) -> int:
        """Serve on sockets that listen already, and return the exit code."""
        with self._signals(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                runner.run(self.serve(list(listeners)))
            except asyncio.CancelledError:
                logger.error("stopped by force: what was in work is given up")
                return EXIT_FORCED
            finally:
                for each in listeners:
                    each.close()
        return self.exit_code

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, serve and shut down."""
        self._run = asyncio.current_task()
        await super().serve(sockets)

    # Starting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept; an application that cannot start ends the run."""
        await self.lifespan.startup()
        if self.lifespan.broken:
            self._fail("cannot start: %s")
            return
        self.started = True
        self.servers = []
        if self.should_exit:  # told to stop meanwhile: what was opened is closed, and nobody is let in
            return
        loop = asyncio.get_running_loop()
        for each in sockets or ():
            address = each.getsockname()[:2]
            self.servers.append(
                await loop.create_server(self._protocol, sock=each, backlog=self.config.backlog)
            )
        if self._on_started is not None:
            self._on_started(address)

    def _protocol(self) -> HttpProtocol:
        return HttpProtocol(self.config, self.server_state, self.lifespan.state)

    # Serving

    async def on_tick(self, counter: int) -> bool:
        """Look after the connections ten times a second; true ends the serving."""
        now_s = asyncio.get_running_loop().time()
        for connection in tuple(self.server_state.http_connections):
            connection.close_if_overdue(now_s)
        if self.lifespan.broken:
            self._fail("the application failed: %s")
        return await super().on_tick(counter)

    # Stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, let the application say goodbye, close the rest, and end the application."""
        deadline_s = time.monotonic() + self.options.shutdown_timeout_s
        for server in self.servers:
            server.close()
        await self._drain()
        for connection in tuple(self.server_state.connections):
            connection.shutdown()
        await self._finish()
        await self._stop_application(deadline_s)

    async def _drain(self) -> None:
        drain = cast("Drain | None", self.lifespan.state.get(DRAIN))
        if drain is None:
            return
        try:
            async with asyncio.timeout(self.options.drain_timeout_s):
                await drain()
        except TimeoutError:
            logger.warning("the goodbye to all clients took over %g s", self.options.drain_timeout_s)
        except Exception:
            logger.exception("the application could not say goodbye to its clients")

    async def _finish(self) -> None:
        """Wait for requests and sockets, then cut the connections, then cancel what still runs."""
        if await self._idle_within(self.options.finish_timeout_s):
            return
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
        if await self._idle_within(ABORT_GRACE_S):
            return
        for task in tuple(self.server_state.tasks):
            task.cancel("the server stops")
        await self._idle_within(ABORT_GRACE_S)

    async def _idle_within(self, timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while self.server_state.connections or self.server_state.tasks:
            if time.monotonic() >= deadline_s:
                return False
            await asyncio.sleep(LOOK_AGAIN_S)
        return True

    async def _stop_application(self, deadline_s: float) -> None:
        try:
            async with asyncio.timeout(max(deadline_s - time.monotonic(), ABORT_GRACE_S)):
                await self.lifespan.shutdown()
        except TimeoutError:
            logger.error("the application did not stop within %g s", self.options.shutdown_timeout_s)
            self.exit_code = EXIT_FAILED
        if self.lifespan.broken:
            self._fail("the application failed: %s")

    def _fail(self, text: str) -> None:
        if self.exit_code == EXIT_OK:
            logger.error(text, self.lifespan.explain())
        self.exit_code = EXIT_FAILED
        self.should_exit = True

    # Signals

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: uvicorn would raise at the end what it has caught, and the process die of it."""
        yield

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in good order; a second SIGINT stops at once, and a third leaves everything where it is."""
        now_s = time.monotonic()
        self.should_exit = True
        if self._asked_to_stop_s is None:
            self._asked_to_stop_s = now_s
        elif sig == signal.SIGINT and now_s - self._asked_to_stop_s > SAME_WISH_S:
            self._force()

    def _force(self) -> None:
        if self.force_exit or self._run is None:
            os._exit(EXIT_FORCED)
        self.force_exit = True
        self._run.get_loop().call_soon_threadsafe(self._run.cancel)
