"""A persona's file that cannot be opened at the start: everybody else is served, and it comes back once mended."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from storage.lock import FileLock
from tests.support.luna import LUNA, make_luna
from tests.support.rest import RestClient
from tests.support.server import Server, palaver
from tests.support.waiting import until, until_awaited

GARBAGE = b"not a database, but long enough to look at" * 200


@pytest.fixture
async def luna(tmp_path: Path) -> str:
    """Damage the file of a persona, keep the sound one beside the data folder, and return the conversation in it."""
    data = tmp_path / "data"
    conversation = await make_luna(data)
    shutil.move(data / LUNA, tmp_path / "sound.db")
    (data / LUNA).write_bytes(GARBAGE)
    return conversation


@pytest.fixture
async def server(luna: str, tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path / "data", palaver("serve"), {"reader_wait_s": 0.2, "write_retry_s": 0.2})
    yield server
    await server.close()


async def test_everybody_else_is_served_and_the_damaged_file_comes_back_when_it_is_mended(
    server: Server, luna: str, tmp_path: Path
) -> None:
    await started(server)
    async with RestClient(server.url, server.token("alice")) as alice:
        main = await alice.create_conversation()
        await alice.send(main, "hello")
        (part,) = [part for part in (await readiness(alice))["parts"] if not part["ok"]]
        assert part["part"] == "writer of luna"
        assert f"{LUNA} cannot be opened" in part["reason"]
        assert "palaver restore persona luna" in part["reason"]
        assert part["since_ms"] <= time.time() * 1000
        for refused in (alice.send(luna, "later"), alice.messages(luna)):
            with pytest.raises(httpx2.HTTPStatusError) as error:
                await refused
            assert error.value.response.status_code == httpx2.codes.SERVICE_UNAVAILABLE
            assert error.value.response.json()["temporary"]
        (tmp_path / "sound.db").replace(server.data_dir / LUNA)

        async def mended() -> bool:
            return bool((await readiness(alice))["status"] != "failing")

        await until_awaited(mended, "the mended file served")
        await alice.send(luna, "at last")
        assert [each["content"] for each in await alice.messages(luna)] == ["at last"]
    assert await server.terminate() == 0


async def test_a_server_with_a_damaged_file_stops_in_good_order(server: Server) -> None:
    await started(server)
    assert await server.terminate() == 0
    FileLock(server.data_dir / LUNA).acquire()


@pytest.mark.parametrize("file", ["main.db", LUNA])
async def test_a_file_of_another_process_refuses_the_start(server: Server, file: str) -> None:
    lock = FileLock(server.data_dir / file)
    lock.acquire()
    await refused(server, f"{file} is already served")
    lock.release()


async def test_a_damaged_main_refuses_the_start(server: Server) -> None:
    (server.data_dir / "main.db").write_bytes(GARBAGE)
    await refused(server, "main.db cannot be opened")


async def started(server: Server) -> None:
    server.spawn()
    async with httpx2.AsyncClient(base_url=server.url, trust_env=False) as http:

        async def answers() -> bool:
            assert server.alive, server.tail()
            try:
                return (await http.get("/livez")).is_success
            except httpx2.TransportError:
                return False

        await until_awaited(answers, "the server", 30)


async def refused(server: Server, reason: str) -> None:
    server.spawn()
    await until(lambda: not server.alive, "the end", 30)
    assert reason in server.tail()


async def readiness(alice: RestClient) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((await alice.http.get("/readyz")).content)
    return found
