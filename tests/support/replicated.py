"""A real server that replicates, seen as its operator sees it, while somebody goes on talking."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from chat.health import Health
from chat.replication import REPLICATING, Replica, ReplicationReport
from tests.support.rest import RestClient
from tests.support.server import Server
from tests.support.tokens import bearer
from tests.support.waiting import until_awaited

ALARM_S = 30.0
CAUGHT_UP_S = 60.0
TALK_STEP_S = 0.05
TALK_S_MAX = 10.0


class Replicated:
    """A server of its own, and what it says of replication; use it as a context."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sent = 0
        self.slowest_s = 0.0
        self._last: Replica | None = None
        self._http = httpx2.AsyncClient(
            base_url=server.url,
            headers=bearer(server.token("operator", scope="ops")),
            trust_env=False,
            verify=False,
        )

    @classmethod
    @asynccontextmanager
    async def start(cls, data: Path, **settings: Any) -> AsyncIterator[Replicated]:
        """Start a server with these settings, and end it afterwards."""
        server = await Server.start(data, **{"replica": "", **settings})
        replicated = cls(server)
        try:
            yield replicated
        finally:
            await replicated.close()

    async def close(self) -> None:
        """End the server in good order, and close the connections."""
        await self._http.aclose()
        if self.server.alive:
            await self.server.terminate()

    async def report(self) -> ReplicationReport:
        """Ask for all that is known of replication."""
        answer = await self._http.get("/v1/ops/replication")
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=ReplicationReport)

    async def main(self) -> Replica:
        """Ask how the copy of the main file is."""
        return next(each for each in (await self.report()).files if each.file == "main.db")

    async def health(self) -> tuple[int, Health]:
        """Ask /readyz."""
        answer = await self._http.get("/readyz")
        return answer.status_code, msgspec.json.decode(answer.content, type=Health)

    async def metrics(self) -> str:
        """Ask for the metrics."""
        return (await self._http.get("/metrics")).text

    async def until_state(self, *states: str, reason: str = "", timeout_s: float = ALARM_S) -> Replica:
        """Wait until the copy of the main file is in one of these states, with `reason` somewhere in its reason."""

        async def look() -> Replica | None:
            replica = await self.main()
            self._last = replica
            return replica if replica.state in states and reason in replica.reason else None

        try:
            return await until_awaited(look, f"the state {' or '.join(states)}", timeout_s)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it was {self._last}\n{self.server.tail(3000)}") from error

    async def replicating(self, timeout_s: float = CAUGHT_UP_S) -> Replica:
        """Wait until a commit of after this call is proven to be on the replica."""
        now_ms = time.time_ns() // 1_000_000

        async def look() -> Replica | None:
            replica = await self.main()
            return replica if replica.state == REPLICATING and replica.proven_ms >= now_ms else None

        return await until_awaited(look, "a proof", timeout_s)

    @asynccontextmanager
    async def writer(self) -> AsyncIterator[tuple[RestClient, str]]:
        """Lend a client with a conversation of its own."""
        async with RestClient(self.server.url, self.server.token("alice"), timeout_s=TALK_S_MAX) as alice:
            yield alice, await alice.create_conversation()

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        """Let somebody send messages all the while; every one must be acked, and none slowly."""
        async with self.writer() as (alice, conversation):
            task = asyncio.create_task(self._talk(alice, conversation))
            try:
                yield
            finally:
                task.cancel()
                ended = (await asyncio.gather(task, return_exceptions=True))[0]
            if not isinstance(ended, asyncio.CancelledError):
                raise AssertionError("the chat did not go on") from ended

    async def _talk(self, alice: RestClient, conversation: str) -> None:
        while True:
            began_s = time.monotonic()
            await alice.send(conversation, "hello")
            self.sent += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
            await asyncio.sleep(TALK_STEP_S)
