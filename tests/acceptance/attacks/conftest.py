"""One server that is attacked by all tests of this folder, and must never break or even complain of itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.scene import Scene
from tests.support.server import Server, palaver

OPEN_TO_ALL = 'umask 000; exec "$@"'


@pytest.fixture(scope="package")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that logs all that it ever logs, started where new files are open to everybody."""
    folder = tmp_path_factory.mktemp("attacked") / "data"
    command = ["sh", "-c", OPEN_TO_ALL, "sh", *palaver("serve")]
    server = asyncio.run(Server.start(folder, command=command, log_level="debug", log_format="json"))
    yield server
    asyncio.run(server.close())


@pytest.fixture
async def scene(attacked: Server) -> AsyncIterator[Scene]:
    """People of this test's own on the attacked server, which must be there, and without an error, at its end."""
    pid, logged_bytes = attacked.pid, attacked.log.stat().st_size
    async with Scene(attacked) as opened:
        yield opened
    assert attacked.pid == pid
    lines = attacked.log.read_bytes()[logged_bytes:].decode().splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    assert [record for record in records if record["level"] in ("error", "critical")] == []
