"""A public SDK in a process of its own, driven by JSON lines.

Commands: connect {url, token, fresh_tokens}, subscribe {channel, data, join_leave}, unsubscribe {channel},
rpc {number, method, data}, disconnect. Events: started, connecting, connected, disconnected, subscribed,
unsubscribed, publication, join, leave, reply, token_asked, error.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import until

HERE = Path(__file__).resolve().parent
EVENT_TIMEOUT_S = 60.0
LINE_BYTES_MAX = 4 * 1024 * 1024
Json = dict[str, Any]


class Sdk:
    """One running driver; `events` holds all that it said, in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.events: list[Json] = []
        self._process = process
        self._reader = asyncio.create_task(self._read())
        self._calls = 0

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Sdk:
        """Start the driver and wait until it has loaded its package."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=HERE,
            env={**os.environ, **(environment or {})},
            stdin=pipe,
            stdout=pipe,
            limit=LINE_BYTES_MAX,
        )
        sdk = cls(process)
        await sdk.wait("started")
        return sdk

    async def __aenter__(self) -> Sdk:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def version(self) -> str:
        """Return the version of the SDK's package."""
        return str(self.events[0]["version"])

    def tell(self, op: str, **fields: Any) -> None:
        """Give the driver a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"op": op, **fields}).encode() + b"\n")

    async def connect(self, url: str, token: str, *fresh_tokens: str) -> Json:
        """Connect; `fresh_tokens` are given out when the SDK asks for another."""
        self.tell("connect", url=url, token=token, fresh_tokens=fresh_tokens)
        return await self.wait("connected")

    async def subscribe(self, channel: str, data: Json | None = None, join_leave: bool = False) -> Json:
        """Subscribe and return the event that says so."""
        self.tell("subscribe", channel=channel, data=data, join_leave=join_leave)
        return await self.wait("subscribed", channel=channel)

    async def rpc(self, method: str, data: Json) -> Json:
        """Call a method and return the reply: `data`, or `error` with code and message."""
        self._calls += 1
        number = self._calls
        self.tell("rpc", number=number, method=method, data=data)
        return await self.wait("reply", number=number)

    async def send(self, conversation: str, key: str, content: str) -> Json:
        """Send a message by rpc and return its acknowledgement."""
        draft = {"conversation_id": conversation, "client_message_id": key, "content": content}
        reply = await self.rpc("send", draft)
        assert "error" not in reply, reply
        data: Json = reply["data"]
        return data

    def said(self, event: str, **fields: Any) -> list[Json]:
        """Return the events of that name with those fields, oldest first."""
        return self.said_with(event=event, **fields)

    def said_with(self, **fields: Any) -> list[Json]:
        """Return the events with those fields, whatever their names, oldest first."""
        return [said for said in self.events if fields.items() <= said.items()]

    async def wait(self, event: str, count: int = 1, **fields: Any) -> Json:
        """Return the `count`-th event of that name with those fields."""
        what = f"event {event} {fields} (number {count}) of {self.events}"
        found = await until(lambda: self._look(event, count, fields), what, EVENT_TIMEOUT_S)
        return found[0]

    def publications(self, channel: str) -> list[Json]:
        """Return the recoverable publications of a channel as the SDK handed them on."""
        return [said for said in self.said("publication", channel=channel) if said["offset"]]

    async def received(self, channel: str, count: int) -> list[Json]:
        """Return the recoverable publications once there are `count` of them."""
        what = f"{count} publications on {channel}"
        await until(lambda: len(self.publications(channel)) >= count, what, EVENT_TIMEOUT_S)
        return self.publications(channel)

    def freeze(self) -> None:
        """Stop the driver's process where it stands, so that it misses what happens now."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    async def close(self) -> None:
        """End the driver."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader

    def _look(self, event: str, count: int, fields: Json) -> list[Json]:
        found = self.said(event, **fields)[count - 1 :]
        if not found and self._reader.done():
            raise RuntimeError(f"the driver has ended; it said {self.events}")
        return found

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.events.append(json.loads(line))


def missing(reason: str) -> None:
    """Skip a test for what this machine lacks; where the project is judged (CI=true) that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
