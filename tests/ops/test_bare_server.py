"""The application under uvicorn as it comes: it works, and says what such a server lacks."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.client import SocketClient
from tests.support.ports import LOOPBACK
from tests.support.rest import RestClient
from tests.support.server import Server, palaver

LACKS = "This is not the server of `palaver serve`"


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path / "data", palaver("serve"), {})
    server.set_up(
        [sys.executable, "-m", "uvicorn", "asgi:app", "--host", LOOPBACK, "--port", str(server.port)]
    )
    await server.launch()
    yield server
    await server.close()


async def test_a_bare_uvicorn_serves_and_is_told_once_what_it_lacks(bare: Server) -> None:
    async with (
        RestClient(bare.url, bare.token("alice")) as alice,
        SocketClient(bare.ws_url, bare.token("bob")) as bob,
    ):
        conversation = await alice.create_conversation("bob")
        await bob.subscribe(conversation)
        await alice.send(conversation, "hi")
        assert [event["content"] for event in await bob.feed(conversation).wait(1)] == ["hi"]
        await bob.send(conversation, "key", "ho")
        assert [message["content"] for message in await alice.messages(conversation)] == ["hi", "ho"]
    said = bare.tail(100_000)
    assert said.count(LACKS) == 1
    for lacking in ("slow", "fragments", "buffers", "3001", "`palaver serve`"):
        assert lacking in said.partition(LACKS)[2].splitlines()[0]


async def test_our_own_server_lacks_nothing(tmp_path: Path) -> None:
    server = await Server.start(tmp_path / "data")
    assert LACKS not in server.tail(100_000)
    await server.close()
