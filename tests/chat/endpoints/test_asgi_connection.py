"""AsgiConnection: frames by ASGI's own messages, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from chat.endpoints.asgi_connection import HIGH_WATER_BYTES, AsgiConnection

DEADLINE_S = 5.0


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("sent after close")])
async def test_a_peer_that_is_gone_ends_the_sending_and_disturbs_nobody(error: Exception) -> None:
    async def send(message: MutableMapping[str, Any]) -> None:
        raise error

    connection = AsgiConnection(send)
    connection.write_text(b"{}")
    async with asyncio.timeout(DEADLINE_S):
        await connection.run()
    connection.write_text(b" " * HIGH_WATER_BYTES)
    assert connection.paused
