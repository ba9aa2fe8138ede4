"""Drives the public centrifuge-python client by JSON lines: commands on stdin, events on stdout.

It runs in a process of its own, so that any release of the package can be put on its path; it knows nothing
of the server but its address. `sdk.py` has the commands and events.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import metadata
from typing import Any

import centrifuge
from centrifuge import Client, ClientEventHandler, SubscriptionEventHandler

LINE_BYTES_MAX = 1024 * 1024
RECONNECT_S = {"min_reconnect_delay": 0.05, "max_reconnect_delay": 0.5}
Json = dict[str, Any]


def say(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


class ConnectionSays(ClientEventHandler):  # type: ignore[misc]
    """Tells what becomes of the connection and of the channels that the server subscribed by itself."""

    async def on_connecting(self, ctx: Any) -> None:
        say("connecting", code=ctx.code, reason=ctx.reason)

    async def on_connected(self, ctx: Any) -> None:
        say("connected", client=ctx.client, data=ctx.data)

    async def on_disconnected(self, ctx: Any) -> None:
        say("disconnected", code=ctx.code, reason=ctx.reason)

    async def on_error(self, ctx: Any) -> None:
        say("error", message=str(ctx.error))

    async def on_subscribed(self, ctx: Any) -> None:
        say("subscribed", channel=ctx.channel, **position(ctx))

    async def on_publication(self, ctx: Any) -> None:
        say("publication", channel=ctx.channel, offset=ctx.pub.offset, data=ctx.pub.data)


class SubscriptionSays(SubscriptionEventHandler):  # type: ignore[misc]
    """Tells what becomes of one subscription."""

    def __init__(self, channel: str) -> None:
        self.channel = channel

    async def on_subscribed(self, ctx: Any) -> None:
        say("subscribed", channel=self.channel, **position(ctx))

    async def on_unsubscribed(self, ctx: Any) -> None:
        say("unsubscribed", channel=self.channel, code=ctx.code, reason=ctx.reason)

    async def on_publication(self, ctx: Any) -> None:
        say("publication", channel=self.channel, offset=ctx.pub.offset, data=ctx.pub.data)

    async def on_join(self, ctx: Any) -> None:
        say("join", channel=self.channel, user=ctx.info.user)

    async def on_leave(self, ctx: Any) -> None:
        say("leave", channel=self.channel, user=ctx.info.user)

    async def on_error(self, ctx: Any) -> None:
        say("error", channel=self.channel, message=str(ctx.error))


class Driver:
    """One client; each command line calls the method of its `op`."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self.fresh_tokens: list[str] = []
        self.calls: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        say("started", version=metadata.version("centrifuge-python"))
        while line := await reader.readline():
            command: Json = json.loads(line)
            await getattr(self, command.pop("op"))(**command)

    async def connect(self, url: str, token: str, fresh_tokens: list[str]) -> None:
        self.fresh_tokens = fresh_tokens
        self.client = Client(
            url, ConnectionSays(), token=token, get_token=self.next_token, proxy=None, **RECONNECT_S
        )
        await self.client.connect()

    async def next_token(self) -> str:
        say("token_asked")
        return self.fresh_tokens.pop(0)

    async def subscribe(self, channel: str, data: Json | None, join_leave: bool) -> None:
        assert self.client is not None
        subscription = self.client.new_subscription(
            channel, SubscriptionSays(channel), data=data, recoverable=True, join_leave=join_leave
        )
        await subscription.subscribe()

    async def unsubscribe(self, channel: str) -> None:
        assert self.client is not None
        subscription = self.client.get_subscription(channel)
        assert subscription is not None
        await subscription.unsubscribe()

    async def rpc(self, number: int, method: str, data: Json) -> None:
        # As a task: calls of a real application are under way together.
        call = asyncio.create_task(self.call(number, method, data))
        self.calls.add(call)
        call.add_done_callback(self.calls.discard)

    async def call(self, number: int, method: str, data: Json) -> None:
        assert self.client is not None
        try:
            result = await self.client.rpc(method, data)
        except centrifuge.CentrifugeError as error:
            code = getattr(error, "code", 0)
            say("reply", number=number, error={"code": code, "message": str(error)})
        else:
            say("reply", number=number, data=result.data)

    async def disconnect(self) -> None:
        assert self.client is not None
        await self.client.disconnect()


def position(ctx: Any) -> Json:
    stream = ctx.stream_position
    return {
        "recoverable": ctx.recoverable,
        "was_recovering": ctx.was_recovering,
        "recovered": ctx.recovered,
        "offset": stream.offset if stream else None,
        "epoch": stream.epoch if stream else None,
        "data": ctx.data,
    }


asyncio.run(Driver().run())
