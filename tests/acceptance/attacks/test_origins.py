"""Attacks by web pages: a browser that is somewhere else never gets as far as a WebSocket."""

from __future__ import annotations

import pytest

from tests.support.ports import LOOPBACK
from tests.support.raw_http import HANDSHAKE, ask
from tests.support.scene import Scene

SOCKET = "/connection/websocket"
FORBIDDEN, SWITCHING = 403, 101

ORIGINS = [
    "https://evil.example",
    "null",
    "file://",
    "chrome-extension://abcdefghijklmnop",
    "http://localhost:{port}",
    "http://[::1]:{port}",
    "http://{host}",
    "http://{host}:{port}0",
    "http://{host}:{port}.evil.example",
    "http://{host}.evil.example:{port}",
    "http://evil.example#{host}:{port}",
    "http://{host}:{port}@evil.example",
    "http://evil.example:{port}",
    "http://{host}:{port}/",
    "http://{host}:{port} ,http://evil.example",
    "ws://{host}:{port}",
    "//{host}:{port}",
    "{host}:{port}",
]


@pytest.mark.parametrize("origin", ORIGINS)
async def test_a_server_without_a_list_upgrades_no_page_but_its_own(scene: Scene, origin: str) -> None:
    port = scene.server.port
    header = f"Origin: {origin.format(host=LOOPBACK, port=port)}"
    token = f"Authorization: Bearer {scene.token('alice')}"

    answer = await ask(port, "GET", SOCKET, header, token, *HANDSHAKE)

    assert answer.status == FORBIDDEN
    assert b"upgrade: websocket" not in answer.head.lower()


@pytest.mark.parametrize("disguise", ["Host: evil.example", "X-Forwarded-Host: evil.example"])
async def test_a_page_does_not_become_the_servers_own_by_a_header_beside_the_host(
    scene: Scene, disguise: str
) -> None:
    answer = await ask(scene.server.port, "GET", SOCKET, disguise, "Origin: http://evil.example", *HANDSHAKE)

    assert answer.status in (400, FORBIDDEN)
