"""The file of one persona is put back beside a live server that copies it, while everybody else goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from ops.restoring import intent, moment
from ops.restoring.beside import temporary_copy
from ops.restoring.place import Place
from storage.engine import sqlite3
from tests.support.client import SocketClient
from tests.support.luna import LUNA, make_luna
from tests.support.replicated import Replicated
from tests.support.rest import RestClient
from tests.support.server import PROJECT, palaver
from tests.support.waiting import until, until_awaited

INSUFFICIENT_STATE = 2500


@pytest.fixture
async def luna(tmp_path: Path) -> str:
    """Make the file of a persona beside main.db, and return the conversation in it."""
    return await make_luna(tmp_path / "data")


@pytest.fixture
async def live(luna: str, tmp_path: Path) -> AsyncIterator[Replicated]:
    async with Replicated.start(tmp_path / "data") as live:
        yield live


async def test_a_persona_goes_back_in_time_while_everybody_else_goes_on_talking(
    live: Replicated, luna: str
) -> None:
    server = live.server
    async with (
        RestClient(server.url, server.token("alice")) as alice,
        SocketClient(server.ws_url, server.token("alice")) as hers,
        SocketClient(server.ws_url, server.token("alice")) as others,
    ):
        main = await alice.create_conversation()
        at = await _said(alice, luna, "kept")
        await _said(alice, luna, "rewound")
        before = await hers.subscribe(luna)
        await others.subscribe(main)
        async with live.talking():
            done = await _restore(live, "--at", at)
        assert done["restored"] == [str(server.data_dir / LUNA)]
        assert _rows(Path(str(done["replaced"])) / LUNA) == ["kept", "rewound"]
        assert (await hers.feed(luna).wait_other("unsubscribe"))["code"] == INSUFFICIENT_STATE
        again = await hers.subscribe(luna, recover=True, epoch=before["epoch"], offset=before["offset"])
        assert not again.get("recovered")
        assert [each["content"] for each in await alice.messages(luna)] == ["kept"]
        await alice.send(luna, "goes on")
        assert [each["seq"] for each in await hers.feed(luna).wait(1)] == [2]
        await alice.send(main, "undisturbed")
        await others.feed(main).wait(1)
        assert others.feed(main).others == []
        await _said(alice, luna, "is copied")
        assert _kinds(server.data_dir) == ["start", "start", "restore", "start"]
    with temporary_copy(Place(data=server.data_dir), LUNA) as copy:
        assert _rows(copy.path) == ["kept", "goes on", "is copied"]


async def test_a_command_that_is_killed_touches_nothing_and_a_server_that_is_killed_finishes_it(
    live: Replicated, luna: str
) -> None:
    server = live.server
    async with RestClient(server.url, server.token("alice")) as alice:
        at = await _said(alice, luna, "kept")
        await _said(alice, luna, "rewound")
        process = await _begin(live, "restore", "persona", "luna", "--at", at)  # and nobody consents
        await until(lambda: any(server.data_dir.glob("restores/staging-*")), "the copy")
        process.kill()
        await process.communicate()
        assert [each["content"] for each in await alice.messages(luna)] == ["kept", "rewound"]
    restoring = asyncio.create_task(_run(live, "restore", "persona", "luna", "--at", at, "--yes", "--json"))
    await until(lambda: restoring.done() or (server.data_dir / intent.NAME).exists(), "the intent")
    await server.kill()
    code, _, err = await restoring
    assert code == 0 or "which did not swap it" in err
    await server.launch()
    async with RestClient(server.url, server.token("alice")) as alice:
        assert [each["content"] for each in await alice.messages(luna)] == ["kept"]
        await _said(alice, luna, "is copied")


async def test_a_file_that_was_damaged_before_the_start_is_put_back_beside_the_server(
    live: Replicated, luna: str
) -> None:
    server = live.server
    async with RestClient(server.url, server.token("alice")) as alice:
        main = await alice.create_conversation()
        at = await _said(alice, luna, "kept")
    await server.terminate()
    (server.data_dir / LUNA).write_bytes(b"not a database, but long enough to look at" * 200)
    server.spawn()
    async with RestClient(server.url, server.token("alice")) as alice:
        await until_awaited(lambda: _is_alive(alice), "the server", 30)
        await _said(alice, main, "is copied all the same")
        await _restore(live, "--at", at)
        assert [each["content"] for each in await alice.messages(luna)] == ["kept"]
        await _said(alice, luna, "is copied")
    await server.ready()


async def _is_alive(alice: RestClient) -> bool:
    try:
        return (await alice.http.get("/livez")).is_success
    except httpx2.TransportError:
        return False


async def _said(alice: RestClient, conversation: str, text: str) -> str:
    """Send a message until it is on the replica, and return a moment after that."""

    async def send() -> bool:
        sent = await alice.send(conversation, text, text, durability="replicated")
        return bool(sent["durability"] == "replicated")

    await until_awaited(send, "a replicated ack", 30)
    await asyncio.sleep(0.002)  # a moment is cut to the millisecond: the next one is wholly after the copy
    return moment.iso(moment.now_ms())


async def _restore(live: Replicated, *options: str) -> dict[str, object]:
    code, out, err = await _run(live, "restore", "persona", "luna", *options, "--yes", "--json")
    assert code == 0, err
    found: dict[str, object] = json.loads(out)
    return found


async def _run(live: Replicated, *arguments: str) -> tuple[int | None, str, str]:
    process = await _begin(live, *arguments)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def _begin(live: Replicated, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *palaver(*arguments),
        cwd=PROJECT,
        env=live.server.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def _rows(path: Path) -> Sequence[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [content for (content,) in connection.execute("SELECT content FROM messages ORDER BY seq")]


def _kinds(data: Path) -> Sequence[str]:
    with closing(sqlite3.connect(data / LUNA)) as connection:
        return [kind for (kind,) in connection.execute("SELECT kind FROM generations ORDER BY number")]
