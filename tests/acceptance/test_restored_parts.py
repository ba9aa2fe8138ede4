"""After a restore: refused replays over every door, and a conversation that comes back into the live system."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from ops.tail.records import Draft
from storage.engine import sqlite3
from tests.ops.tail.process import TailProcess
from tests.support.client import ReplyError, SocketClient
from tests.support.rest import RestClient
from tests.support.server import PROJECT, Server, palaver

REFUSING = """
INSERT INTO generations (epoch, kind, since_ms, cause, synchronous, replays, ended_ms)
VALUES ('rewound1', 'restore', 0, 'a deliberate rewind', 'full', 'refuse', 0)
"""


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = await Server.start(tmp_path / "data")
    yield server
    await server.close()


@pytest.fixture
async def alice(server: Server) -> AsyncIterator[RestClient]:
    async with RestClient(server.url, server.token("alice")) as alice:
        yield alice


async def test_what_was_first_sent_before_a_refusing_rewind_is_refused_and_a_duplicate_is_not(
    server: Server, alice: RestClient
) -> None:
    conversation = await alice.create_conversation("bob")
    sent = await alice.send(conversation, "taken", "taken")
    await _rewind(server)
    again = await alice.send(conversation, "taken", "taken", first_sent_epoch=sent["epoch"])
    assert again["duplicate"]
    late = {"client_message_id": "late", "content": "late", "first_sent_epoch": sent["epoch"]}
    over_rest = await alice.http.post(f"/v1/conversations/{conversation}/messages", json=late)
    assert (over_rest.status_code, over_rest.json()["code"]) == (410, 410)
    opening = {"members": ["bob"], "idempotency_key": "k", "first_sent_epoch": sent["epoch"]}
    assert (await alice.http.post("/v1/conversations", json=opening)).status_code == 410
    async with SocketClient(server.ws_url, server.token("alice")) as socket:
        data = late | {"conversation_id": conversation}
        with pytest.raises(ReplyError, match="410"):
            await socket.command("rpc", {"method": "send", "data": data})
        today = data | {"first_sent_epoch": again["epoch"]}
        await socket.command("rpc", {"method": "send", "data": today})
    assert [each["content"] for each in await alice.messages(conversation)] == ["taken", "late"]


async def test_tail_says_that_a_line_was_rewound_away_and_keeps_it(
    server: Server, alice: RestClient, tmp_path: Path
) -> None:
    conversation = await alice.create_conversation("bob")
    epoch = (await alice.send(conversation, "hello"))["epoch"]
    home = tmp_path / "bob"
    tail = await TailProcess.start(conversation, server.url, server.token("bob"), home=home)
    await tail.shows("hello")
    await tail.kill()
    state = next(home.glob(".local/state/palaver/tail/*"))
    draft = Draft(client_message_id="late", content="a late line", first_sent_epoch=epoch)
    with (state / "journal.jsonl").open("ab") as journal:
        journal.write(msgspec.json.encode(draft) + b"\n")
    await _rewind(server)
    tail = await TailProcess.start(conversation, server.url, server.token("bob"), home=home)
    await tail.notes("rewound on purpose")
    await tail.kill()
    rejected = json.loads((state / "rejected.jsonl").read_text())
    assert (rejected["content"], rejected["code"]) == ("a late line", 410)
    assert [each["content"] for each in await alice.messages(conversation)] == ["hello"]


async def test_tail_shows_what_is_brought_back_while_it_looks_on(
    server: Server, alice: RestClient, tmp_path: Path
) -> None:
    conversation = await alice.create_conversation("bob")
    await alice.send(conversation, "one")
    copied = _copy(server)
    tail = await TailProcess.start(conversation, server.url, server.token("bob"), home=tmp_path / "bob")
    await tail.shows("one")
    await alice.http.delete(f"/v1/conversations/{conversation}/messages/1")
    await tail.shows("[deleted]")
    await _restore(server, conversation, "--from", str(copied), "--yes", "--json")
    await tail.shows("one")
    assert tail.types().count("reload") == 1
    await tail.kill()


async def test_a_deleted_conversation_comes_back_into_the_running_server(
    server: Server, alice: RestClient
) -> None:
    conversation = await alice.create_conversation("bob")
    for text in ("one", "two"):
        await alice.send(conversation, text)
    copied = _copy(server)
    await alice.http.delete(f"/v1/conversations/{conversation}/messages/1")
    assert (await alice.http.delete(f"/v1/conversations/{conversation}")).is_success
    looked = await _restore(server, conversation, "--from", str(copied), "--dry-run", "--json")
    assert (looked["conversation"], looked["messages"], looked["members"]) == ("deleted", 2, 2)
    assert (looked["missing"], looked["deleted"], looked["kept"]) == (0, 1, 1)
    assert (await alice.http.get(f"/v1/conversations/{conversation}")).status_code == 404
    done = await _restore(server, conversation, "--from", str(copied), "--yes", "--json")
    assert (done["undeleted"], done["messages_restored"], done["messages_kept"]) == (True, 1, 1)
    assert [each["content"] for each in await alice.messages(conversation)] == ["one", "two"]
    assert [each["type"] for each in await alice.events(conversation)][-2:] == [
        "conversation.restored",
        "message.restored",
    ]
    assert list(server.data_dir.glob("restores/*")) == []
    again = await _restore(server, conversation, "--from", str(copied), "--yes", "--json")
    assert (again["undeleted"], again["messages_kept"]) == (False, 2)


async def test_it_comes_back_while_no_server_runs_too(server: Server, alice: RestClient) -> None:
    conversation = await alice.create_conversation("bob")
    await alice.send(conversation, "one")
    copied = _copy(server)
    await alice.http.delete(f"/v1/conversations/{conversation}/messages/1")
    await server.terminate()
    done = await _restore(server, conversation, "--from", str(copied), "--yes", "--json")
    assert done["messages_restored"] == 1
    await server.launch()
    assert [each["content"] for each in await alice.messages(conversation)] == ["one"]


async def test_only_an_operator_may_bring_anything_back(server: Server, alice: RestClient) -> None:
    conversation = await alice.create_conversation("bob")
    asked = {"conversation_id": conversation, "copy": "then"}
    assert (await alice.http.post("/v1/ops/restores", json=asked)).status_code == 403
    async with RestClient(server.url, server.token("root", scope="ops")) as root:
        assert (await root.http.post("/v1/ops/restores", json=asked)).status_code == 404
        outside = asked | {"copy": "../main"}
        assert (await root.http.post("/v1/ops/restores", json=outside)).status_code == 404


async def _rewind(server: Server) -> None:
    """Mark the file as one that was put back on purpose, without what people may still send again."""
    await server.terminate()
    with closing(sqlite3.connect(server.data_dir / "main.db")) as connection, connection:
        connection.execute(REFUSING)
    await server.launch()


def _copy(server: Server) -> Path:
    copied = server.data_dir.with_name("copy.db")
    with (
        closing(sqlite3.connect(server.data_dir / "main.db")) as source,
        closing(sqlite3.connect(copied)) as target,
    ):
        source.backup(target)
    return copied


async def _restore(server: Server, conversation: str, *options: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        *palaver("restore", "conversation", conversation, *options),
        cwd=PROJECT,
        env=server.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


async def test_a_file_is_put_back_from_a_marked_copy_of_its_own_alone(server: Server) -> None:
    (server.data_dir / "restores/then").mkdir(parents=True)
    asked = {"copy": "then"}
    address = "/v1/ops/personas/{}/restores"
    async with RestClient(server.url, server.token("root", scope="ops")) as root:
        assert (await root.http.post(address.format("main"), json=asked)).status_code == 400
        assert (await root.http.post(address.format("luna"), json=asked)).status_code == 404
        assert (await root.http.post(address.format("../main"), json=asked)).status_code == 404
    async with RestClient(server.url, server.token("alice")) as alice:
        assert (await alice.http.post(address.format("luna"), json=asked)).status_code == 403
