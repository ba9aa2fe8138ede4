"""Socket: one WebSocket's life: its frames in, its outbox out, its timers and its end."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable
from functools import partial
from typing import Any

from starlette.types import Receive, Send

from chat.core import Core
from chat.endpoints.connection import Connection
from chat.endpoints.socket_commands import ANSWERS, SocketCommands
from chat.errors import (
    BAD_REQUEST,
    NO_PONG,
    SLOW,
    STALE,
    BadRequest,
    Disconnect,
    Internal,
    Problem,
    TooLarge,
)
from chat.outbox import Outbox, Turn
from chat.protocols import centrifuge_json
from chat.protocols.answers import encode_answer
from chat.protocols.centrifuge_requests import Body, Connect, Invalid, Pong, Request, Rpc
from chat.protocols.rpc import WRITES
from chat.store import Answer

UTF8_BYTES_MAX = 4
"""How many bytes one character may take."""

logger = logging.getLogger("palaver.websocket")


class Socket:
    """One WebSocket. `run` serves it; `close` ends it from anywhere, at once and only once."""

    def __init__(
        self,
        core: Core,
        connection: Connection,
        send: Send,
        tasks: asyncio.TaskGroup,
        turn: Turn,
        address: str,
    ) -> None:
        self._core = core
        self._connection = connection
        self._send = send
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self.outbox = Outbox(
            connection,
            partial(self.close, SLOW),
            turn,
            bytes_max=core.settings.outbox_bytes_max,
            frame_bytes_max=core.settings.frame_out_bytes_max,
        )
        connection.on_resume(self.outbox.flush)
        connection.listen(self._offered)
        self._commands = SocketCommands(core, self.outbox, self.close, address)
        self._closing = False
        self._outstanding = 0
        self._settled: asyncio.Future[None] | None = None
        self._timer = self._loop.call_later(core.settings.connect_timeout_s, self.close, STALE)
        self._awaits_pong = False

    async def run(self, receive: Receive) -> None:
        """Take frames until the client or `close` ends the connection."""
        try:
            while (message := await receive())["type"] == "websocket.receive":
                if not self._closing:
                    await self._take(message)
        finally:
            self._closing = True
            self._timer.cancel()
            self._commands.stop()
            self.outbox.close()

    def close(self, disconnect: Disconnect) -> None:
        """Begin to close; nothing more is taken, and what waits is still written if the client reads."""
        if self._closing:
            return
        self._closing = True
        self._timer.cancel()
        self._commands.stop()
        self._core.observer.disconnected(disconnect.code)
        self.outbox.close()
        self._tasks.create_task(self._say_close(disconnect))

    async def _say_close(self, disconnect: Disconnect) -> None:
        """Close politely, or cut: a close to a peer that does not read would wait for ever."""
        message = {"type": "websocket.close", "code": disconnect.code, "reason": disconnect.reason}
        try:
            async with asyncio.timeout(self._core.settings.slow_close_s):
                await self._send(message)
        except (TimeoutError, OSError, RuntimeError):
            self._connection.abort()
        else:
            if disconnect is SLOW:
                self._loop.call_later(self._core.settings.slow_close_s, self._connection.abort)

    def _offered(self, text: str) -> bool:
        """Start a frame's commands at once if none of them is to be waited for; else leave it to `run`."""
        if len(text) * UTF8_BYTES_MAX > self._core.settings.frame_in_bytes_max:
            return False
        try:
            requests = centrifuge_json.decode(text)
        except centrifuge_json.BadFrame:
            return False
        if self._outstanding + len(requests) >= self._core.settings.pipeline_max:
            return False
        if not all(map(_waits_for_nothing, requests)):
            return False
        for request in requests:
            if not self._closing:
                self._start(request)
        return True

    async def _take(self, message: Any) -> None:
        text = message.get("text")
        if text is None:
            self.close(BAD_REQUEST)
            return
        try:
            requests = centrifuge_json.decode(text)
        except centrifuge_json.BadFrame:
            self.close(BAD_REQUEST)
            return
        if len(text) > self._core.settings.frame_in_bytes_max or _is_long(
            text, self._core.settings.frame_in_bytes_max
        ):
            self._refuse_all(requests)
            return
        for request in requests:
            answering = self._start(request)
            if answering is not None:
                await self._finish(request.id, answering)
            if self._closing:
                return

    def _refuse_all(self, requests: list[Request]) -> None:
        problem = TooLarge(f"a frame has at most {self._core.settings.frame_in_bytes_max} bytes")
        for request in requests:
            if request.id:
                self._refuse(request.id, problem)

    def _start(self, request: Request) -> Awaitable[None] | None:
        """Start one command. What is left to wait for, before the next may start, is returned."""
        body = request.body
        if isinstance(body, Pong):
            self._awaits_pong = False
            return None
        if not self._commands.connected and not isinstance(body, Connect):
            self.close(BAD_REQUEST)
            return None
        try:
            if isinstance(body, Rpc):
                return self._call(request.id, body)
            self._commands.admit()
            if isinstance(body, Invalid):
                raise body.problem
        except Problem as problem:
            self._refuse(request.id, problem)
            return None
        except Exception:
            logger.exception("a command failed")
            self._refuse(request.id, Internal())
            return None
        return self._answer(request.id, body)

    def _call(self, id: int, rpc: Rpc) -> Awaitable[None] | None:
        """Call a method. What is written is queued and answered when it is durable; the next command does not wait."""
        answer = self._commands.call(rpc, partial(self._settle, id))
        if isinstance(answer, asyncio.Future):
            answer.add_done_callback(partial(self._done, id))
        elif answer is not None:
            return self._reply(id, answer)
        self._outstanding += 1
        if self._outstanding < self._core.settings.pipeline_max:
            return None
        self._settled = self._loop.create_future()
        return self._settled

    async def _finish(self, id: int, answering: Awaitable[None]) -> None:
        """Wait for what a command does before the next one may start, and refuse it where it fails."""
        try:
            await answering
        except Problem as problem:
            self._refuse(id, problem)
        except Exception:
            logger.exception("a command failed")
            self._refuse(id, Internal())

    async def _reply(self, id: int, answer: Awaitable[Any]) -> None:
        reply = centrifuge_json.reply_rpc(id, encode_answer(await answer))
        await self.outbox.drained()
        self.outbox.push(reply)

    async def _answer(self, id: int, body: Body) -> None:
        was_connected = self._commands.connected
        await self.outbox.drained()
        await ANSWERS[type(body)](self._commands, id, body)
        if self._commands.connected and not was_connected:
            self._timer.cancel()
            self._schedule_ping()

    def _done(self, id: int, answer: asyncio.Future[Any]) -> None:
        error = Internal() if answer.cancelled() else answer.exception()
        if error is None:
            self._settle(id, answer.result())
        else:
            self._settle(id, error if isinstance(error, Problem) else Internal())

    def _settle(self, id: int, outcome: Answer | Problem) -> None:
        self._outstanding -= 1
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)
        if isinstance(outcome, Problem):
            self._refuse(id, outcome)
        else:
            self.outbox.push(centrifuge_json.reply_rpc(id, encode_answer(outcome)))

    def _refuse(self, id: int, problem: Problem) -> None:
        self._core.observer.refused(problem.name)
        if id:
            self.outbox.push(centrifuge_json.error(id, problem))
        elif isinstance(problem, BadRequest):
            self.close(BAD_REQUEST)

    def _schedule_ping(self) -> None:
        # The first one comes at a random time, so that a thousand clients that came at once do not answer at once.
        interval_s = self._core.settings.ping_interval_s
        first_s = interval_s * (0.5 + secrets.randbelow(500) / 1000)
        self._timer = self._loop.call_later(first_s, self._ping)

    def _ping(self) -> None:
        self._awaits_pong = True
        self.outbox.push(centrifuge_json.PING)
        self._timer = self._loop.call_later(self._core.settings.pong_timeout_s, self._check_pong)

    def _check_pong(self) -> None:
        if self._awaits_pong:
            self.close(NO_PONG)
            return
        settings = self._core.settings
        pause_s = max(settings.ping_interval_s - settings.pong_timeout_s, 0.0)
        self._timer = self._loop.call_later(pause_s, self._ping)


def _waits_for_nothing(request: Request) -> bool:
    body = request.body
    return body.method in WRITES if isinstance(body, Rpc) else isinstance(body, Pong)


def _is_long(text: str, bytes_max: int) -> bool:
    """Tell whether a text is longer than `bytes_max` as UTF-8, without encoding what cannot be."""
    return len(text) * UTF8_BYTES_MAX > bytes_max and len(text.encode()) > bytes_max
