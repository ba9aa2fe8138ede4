"""The same conversation over our own server, which offers frames as they come, and over uvicorn as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import asgi
from chat.settings import Settings
from tests.ops.serving.running import LOOPBACK, Handler, Running, bare, serving
from tests.support.client import SocketClient
from tests.support.scene import draft
from tests.support.tokens import sign

Serving = Callable[[Handler], AbstractContextManager[Running]]
SENDS = 40


@pytest.mark.parametrize("server", [serving, bare])
async def test_commands_start_in_order_whether_or_not_they_are_waited_for(
    server: Serving, tmp_path: Path
) -> None:
    app = asgi.build(Settings(data=str(tmp_path), pipeline_max=8))
    with server(app) as running:
        url = f"ws://{LOOPBACK}:{running.port}/connection/websocket"
        async with SocketClient(url, sign(tmp_path, "alice")) as alice:
            created = await alice.rpc("create_conversation", {"members": []})
            conversation = created["conversation_id"]
            await alice.subscribe(conversation)
            sends, reads = [], []
            for number in range(SENDS):
                sent = {"method": "send", "data": draft(conversation, str(number))}
                sends.append(alice.begin("rpc", sent))
                if number % 5 == 0:
                    read = {"method": "conversation", "data": {"conversation_id": conversation}}
                    reads.append(alice.begin("rpc", read))
            acks = await asyncio.gather(*sends)
            assert [ack["data"]["seq"] for ack in acks] == list(range(1, SENDS + 1))
            seen = [answer["data"]["last_seq"] for answer in await asyncio.gather(*reads)]
            assert seen == sorted(seen)
            await alice.feed(conversation).wait(SENDS)
            assert alice.feed(conversation).offsets == list(range(1, SENDS + 1))
