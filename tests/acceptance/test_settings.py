"""A server with every number of its settings at the most that may be set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chat.settings import described, knobs
from tests.support.client import SocketClient
from tests.support.rest import RestClient
from tests.support.server import Server

MOST = {name: meta.le for name, hint in knobs().items() if (meta := described(hint)[1]).le is not None}
ENDING = ("shutdown_spread_s", "slow_close_s")  # a stop would take as long


async def test_a_server_with_every_number_at_its_most_serves_and_stops(tmp_path: Path) -> None:
    settings: dict[str, Any] = {name: most for name, most in MOST.items() if name not in ("port", *ENDING)}
    server = await Server.start(tmp_path / "data", **settings)
    try:
        async with (
            RestClient(server.url, server.token("alice")) as alice,
            SocketClient(server.ws_url, server.token("bob")) as bob,
        ):
            conversation = await alice.create_conversation("bob")
            await bob.subscribe(conversation)
            sent = await alice.send(conversation, "hi")
            await bob.feed(conversation).wait(1)
            page = await alice.page(conversation)
            assert [item["seq"] for item in page["items"]] == [sent["seq"]]
        assert await server.terminate() == 0, server.tail()
    finally:
        await server.close()
