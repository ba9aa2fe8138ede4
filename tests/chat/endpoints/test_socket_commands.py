"""SocketCommands: what a connection is told when its channels change while it connects."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from uuid import UUID

import msgspec

from chat.core import Core
from chat.endpoints.socket_commands import SocketCommands
from chat.errors import INSUFFICIENT_STATE
from chat.models import RowId, User
from chat.outbox import Outbox
from chat.protocols.centrifuge_requests import Connect
from chat.store import Recovered
from tests.support.cores import core_on
from tests.support.waiting import until

FIRST, SECOND = (f"main:{UUID(int=number)}" for number in (1, 2))


class _Outbox:
    def __init__(self) -> None:
        self.pushed: list[bytes] = []

    def push(self, message: bytes) -> None:
        self.pushed.append(message)


class _Store:
    """Answers at once, except for SECOND, which waits for `go_on`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = asyncio.Event()

    async def recover(self, user: str, conversation_id: str, *_: object) -> Recovered:
        self.asked.append(conversation_id)
        if conversation_id == SECOND:
            await self.go_on.wait()
        top = RowId(3, "e")
        return Recovered(
            epoch="e", top=top, first_seq=1, role="member", read_seq=0, recovered=False, events=[]
        )


class _Authenticator:
    async def authenticate(self, token: str) -> User:
        return User("alice", channels=(FIRST, SECOND))


def _core(store: _Store) -> Core:
    core = core_on(cast("Any", store))
    object.__setattr__(core, "authenticator", _Authenticator())
    return core


async def test_a_channel_that_ends_while_the_next_is_read_is_not_told_as_begun() -> None:
    store, outbox = _Store(), _Outbox()
    core = _core(store)
    commands = SocketCommands(core, cast("Outbox", outbox), lambda _: None, "127.0.0.1")
    connecting = asyncio.create_task(commands.connect(1, Connect(token="a token")))
    await until(lambda: SECOND in store.asked, "the second channel to be read")
    core.hub.end_all(lambda channel: channel == FIRST, INSUFFICIENT_STATE)
    store.go_on.set()
    await connecting
    told = msgspec.json.decode(outbox.pushed[0])["connect"]["subs"]
    assert list(told) == ["user:alice", SECOND]
    commands.stop()
