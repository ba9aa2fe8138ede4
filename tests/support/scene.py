"""A scene on one server: people, their conversations, and sockets that say just what a test writes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.client import PLAIN, ReplyError, SocketClient
from tests.support.server import Server

REPLY_TIMEOUT_S = 30.0
Json = dict[str, Any]


async def refused(awaitable: Awaitable[object]) -> ReplyError:
    """Return the refusal that a command gets."""
    with pytest.raises(ReplyError) as refusal:
        await awaitable
    return refusal.value


def draft(conversation: str, key: str, content: str = "hi") -> Json:
    """Write the data of a `send`."""
    return {"conversation_id": conversation, "client_message_id": key, "content": content}


class Scene:
    """Everybody who comes is shown out at the end. Names are made unique, so that scenes share a server unnoticed."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._mark = secrets.token_hex(4)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Scene:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def user(self, name: str) -> str:
        """Return the id that `name` has in this scene."""
        return f"{name}-{self._mark}"

    def token(self, name: str, ttl: str = "1h", **claims: Any) -> str:
        """Return a token of the person."""
        return self.server.token(self.user(name), ttl, **claims)

    def client(self, name: str, observe: Callable[[str, str, Json], None] | None = None) -> SocketClient:
        """Return a client of the person that is not yet connected."""
        return SocketClient(self.server.ws_url, self.token(name), observe)

    async def enter(self, name: str, observe: Callable[[str, str, Json], None] | None = None) -> SocketClient:
        """Let a person come, connected."""
        return await self._stack.enter_async_context(self.client(name, observe))

    async def converse(self, owner: SocketClient, *names: str) -> str:
        """Open a conversation of `owner` with the named."""
        members = [self.user(name) for name in names]
        created = await owner.rpc("create_conversation", {"members": members})
        return str(created["conversation_id"])

    async def raw(self, name: str | None = None, **options: Any) -> RawSocket:
        """Open a socket that says what it is told to; with a `name` it is connected as that person."""
        opened = RawSocket(await connect(self.server.ws_url, **(PLAIN | options)))
        self._stack.push_async_callback(opened.close)
        if name is not None:
            await opened.say({"id": 1, "connect": {"token": self.token(name)}})
            assert "connect" in (await opened.replies(1))[0]
        return opened


class RawSocket:
    """A WebSocket with nothing around it but the reading of lines."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._lines: list[Json] = []

    async def say(self, *commands: Json | str | bytes) -> None:
        """Send each as a frame: an object as JSON, text and bytes as they are."""
        for command in commands:
            await self.connection.send(json.dumps(command) if isinstance(command, dict) else command)

    async def replies(self, count: int, timeout_s: float = REPLY_TIMEOUT_S) -> list[Json]:
        """Return the next `count` replies or pushes; pings are answered and passed over."""
        async with asyncio.timeout(timeout_s):
            while len(self._lines) < count:
                await self._read()
        found, self._lines = self._lines[:count], self._lines[count:]
        return found

    def stop_reading(self) -> None:
        """Take nothing more from the kernel, as a program that hangs; `ended` reads again."""
        self.connection.transport.pause_reading()

    async def ended(self, timeout_s: float = REPLY_TIMEOUT_S) -> int | None:
        """Read to the end, and return the close code; None without a close frame."""
        self.connection.transport.resume_reading()
        async with asyncio.timeout(timeout_s):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
        return self.connection.close_code

    async def close(self) -> None:
        """Close in good order."""
        await self.connection.close()

    async def _read(self) -> None:
        for line in str(await self.connection.recv()).split("\n"):
            if line == "{}":
                await self.connection.send("{}")
            else:
                self._lines.append(json.loads(line))
