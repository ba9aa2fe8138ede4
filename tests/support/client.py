"""A raw client of the socket: Centrifuge's JSON frames over websockets, nothing hidden, nothing repaired."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidState
from websockets.frames import CloseCode

from tests.support.feed import Feed

REPLY_TIMEOUT_S = 30.0
FRAME_BYTES_MAX = 4 * 1024 * 1024
Json = dict[str, Any]

PLAIN: Json = {
    "max_size": FRAME_BYTES_MAX,
    "ping_interval": None,
    "close_timeout": 1,
    "compression": None,
    "proxy": None,
}
"""How the raw client opens a socket: no pings of its own, no compression, no proxy."""


class ReplyError(Exception):
    """The server answered a command with an error of the catalogue."""

    def __init__(self, error: Json) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code: int = error["code"]
        self.message: str = error.get("message", "")
        self.temporary: bool = error.get("temporary", False)


class DisconnectedError(Exception):
    """The connection ended before the answer came; `code` is the close code, 1006 without a close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class SocketClient:
    """One connection. Whatever arrives on a channel stands in `feeds[channel]`, in the order of the wire.

    `observe(channel, kind, item)` is called for each of it as soon as it is read, before the next item is.
    """

    def __init__(self, url: str, token: str, observe: Callable[[str, str, Json], None] | None = None) -> None:
        self.url = url
        self.token = token
        self.feeds: dict[str, Feed] = {}
        self.frames: list[str] = []
        self.keep_frames = False
        self.answer_pings = True
        self.pings = 0
        self.close_code: int | None = None
        self.close_reason = ""
        self.disconnect_push: Json | None = None
        self._observe = observe
        self._connection: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, tuple[str | None, asyncio.Future[Json]]] = {}
        self._last_id = 0

    async def __aenter__(self) -> SocketClient:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self, **options: Any) -> None:
        """Make the WebSocket alone, without the connect command; `options` go to websockets.connect.

        Raises DisconnectedError where nobody answers.
        """
        try:
            self._connection = await connect(self.url, **(PLAIN | options))
        except (OSError, InvalidHandshake, EOFError) as error:
            raise DisconnectedError(CloseCode.ABNORMAL_CLOSURE, repr(error)) from error
        self._reader = asyncio.create_task(self._read())

    async def connect(self, **extra: Any) -> Json:
        """Open the socket, present the token and return the connect result."""
        await self.open()
        return await self.command("connect", {"token": self.token, **extra})

    async def command(self, kind: str, body: Json, timeout_s: float = REPLY_TIMEOUT_S) -> Json:
        """Send one command and return its result; raises ReplyError, DisconnectedError or TimeoutError."""
        async with asyncio.timeout(timeout_s):
            return await self.begin(kind, body)

    def begin(self, kind: str, body: Json) -> asyncio.Future[Json]:
        """Send one command and return the future of its result, so that several can be under way."""
        self._last_id += 1
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[self._last_id] = (body.get("channel"), future)
        try:
            self._write(json.dumps({"id": self._last_id, kind: body}))
        except InvalidState:
            self._fail(self._last_id)
        return future

    async def send_text(self, text: str | bytes) -> None:
        """Send a frame as it is, however wrong."""
        assert self._connection is not None
        await self._connection.send(text)

    async def subscribe(self, channel: str, **fields: Any) -> Json:
        """Subscribe and return the result; `fields` are the command's: recover, epoch, offset, data, …"""
        return await self.command("subscribe", {"channel": channel, **fields})

    async def unsubscribe(self, channel: str) -> Json:
        """End a subscription."""
        return await self.command("unsubscribe", {"channel": channel})

    async def rpc(self, method: str, data: Json, timeout_s: float = REPLY_TIMEOUT_S) -> Json:
        """Call a method and return its data."""
        result = await self.command("rpc", {"method": method, "data": data}, timeout_s)
        answer: Json = result.get("data", {})
        return answer

    async def send(self, conversation: str, key: str, content: str, **fields: Any) -> Json:
        """Send a message under `key` and return its acknowledgement."""
        draft = {"conversation_id": conversation, "client_message_id": key, "content": content, **fields}
        return await self.rpc("send", draft)

    def feed(self, channel: str) -> Feed:
        """Return what has arrived on `channel` over this connection."""
        return self.feeds.setdefault(channel, Feed())

    @property
    def closed(self) -> bool:
        """Tell whether the connection has ended (or was never made) and all that it brought has been read."""
        return self._reader is None or self._reader.done()

    async def wait_closed(self, timeout_s: float = REPLY_TIMEOUT_S) -> int | None:
        """Wait until the connection has ended and return its close code, None without a close frame."""
        assert self._reader is not None
        async with asyncio.timeout(timeout_s):
            await asyncio.shield(self._reader)
        return self.close_code

    async def close(self) -> None:
        """Close in good order."""
        if self._connection is not None:
            await self._connection.close()
        await self._ended()

    def stop_reading(self) -> None:
        """Leave whatever comes from now on in the kernel's buffers, as a stuck client does."""
        assert self._connection is not None
        self._connection.transport.pause_reading()

    async def abort(self) -> None:
        """Drop the connection without a word, as a lost network does."""
        if self._connection is not None:
            self._connection.transport.abort()
        await self._ended()

    async def _ended(self) -> None:
        if self._reader is not None:
            await self._reader

    def _write(self, text: str) -> None:
        # websockets' own send() awaits; its protocol object takes several commands in one turn of the loop.
        assert self._connection is not None
        self._connection.protocol.send_text(text.encode())
        self._connection.send_data()

    async def _read(self) -> None:
        assert self._connection is not None
        try:
            async for frame in self._connection:
                self._take(frame if isinstance(frame, str) else frame.decode())
        except ConnectionClosed:
            pass
        finally:
            self._note_end()

    def _take(self, frame: str) -> None:
        if self.keep_frames:
            self.frames.append(frame)
        for line in frame.split("\n"):
            self._handle(json.loads(line))

    def _handle(self, reply: Json) -> None:
        if "id" in reply:
            self._settle(reply)
        elif "push" in reply:
            self._push(reply["push"])
        else:
            self._ping()

    def _ping(self) -> None:
        self.pings += 1
        if self.answer_pings:
            with contextlib.suppress(InvalidState):
                self._write("{}")

    def _settle(self, reply: Json) -> None:
        channel, future = self._waiting.pop(reply.pop("id"))
        error = reply.get("error")
        if not error:
            self._note_subscriptions(channel, reply)
        if future.cancelled():
            return
        if error:
            future.set_exception(ReplyError(error))
        else:
            future.set_result(next(iter(reply.values()), {}))

    def _note_subscriptions(self, channel: str | None, reply: Json) -> None:
        if channel is not None and "subscribe" in reply:
            self._note(channel, "subscribed", reply["subscribe"])
        for name, result in reply.get("connect", {}).get("subs", {}).items():
            self._note(name, "subscribed", result)

    def _push(self, push: Json) -> None:
        if "disconnect" in push:
            self.disconnect_push = push["disconnect"]
            return
        channel = push.pop("channel", "")
        for kind, item in push.items():
            self._note(channel, kind, item)

    def _note(self, channel: str, kind: str, item: Json) -> None:
        self.feed(channel).note(kind, item)
        if self._observe is not None:
            self._observe(channel, kind, item)

    def _note_end(self) -> None:
        assert self._connection is not None
        self.close_code = self._connection.close_code
        self.close_reason = self._connection.close_reason or ""
        for command_id in list(self._waiting):
            self._fail(command_id)

    def _fail(self, command_id: int) -> None:
        _, future = self._waiting.pop(command_id)
        if not future.done():
            code = self.close_code or CloseCode.ABNORMAL_CLOSURE
            future.set_exception(DisconnectedError(code, self.close_reason))
