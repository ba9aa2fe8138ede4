"""The replicated ack and the watermark over every door of a real server that replicates to a folder."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.faults.stored import read_rows
from tests.support.litestream import RESTORE_TIMEOUT_S, litestream
from tests.support.rest import RestClient
from tests.support.scene import Scene
from tests.support.server import Server
from tests.support.waiting import until, until_awaited

ASKING = {"ephemeral": ["replicated"]}
PIPELINED = 50
SYNCS_OF_PIPELINE_MAX = 10


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    server = await Server.start(tmp_path / "data", replica=tmp_path / "replica", watermark_s=0.2)
    try:
        async with Scene(server) as opened:
            yield opened
    finally:
        await server.close()


def restored_keys(scene: Scene, output: Path) -> set[str]:
    """Restore what is on the replica now with the plain binary, and return the keys that it has."""
    replica = scene.server.data_dir.with_name("replica") / "main"
    command = [litestream(), "restore", "-o", str(output), f"file://{replica}"]
    subprocess.run(command, check=True, capture_output=True, timeout=RESTORE_TIMEOUT_S, env={})
    return {row.key for rows in read_rows(output).values() for row in rows}


async def syncs(scene: Scene) -> int:
    """Return how many syncs the watermark has asked for."""
    async with RestClient(scene.server.url, scene.token("anyone")) as rest:
        text = (await rest.http.get("/metrics")).text
    return sum(int(float(line.split()[-1])) for line in text.splitlines() if "palaver_syncs_total{" in line)


async def test_what_was_acked_as_replicated_is_on_the_replica_and_everybody_hears_of_it(
    scene: Scene, tmp_path: Path
) -> None:
    alice, bob = await scene.enter("alice"), await scene.enter("bob")
    conversation = await scene.converse(alice, "bob")
    await bob.subscribe(conversation, data=ASKING)
    plain = await alice.send(conversation, "plain", "hi")
    assert plain["durability"] == "committed"
    await until_awaited(lambda: replicates(scene), "replication to begin")
    sure = await alice.send(conversation, "sure", "hi", durability="replicated")
    assert sure["durability"] == "replicated"
    assert restored_keys(scene, tmp_path / "first.db") >= {"plain", "sure"}
    notice = {
        "type": "replicated",
        "conversation_id": conversation,
        "epoch": sure["epoch"],
        "replicated_seq": sure["seq"],
    }
    feed = bob.feed(conversation)
    await until(lambda: feed.ephemeral and feed.ephemeral[-1] == {"data": notice}, "the watermark")
    # Nobody waits for this one: the watermark moves by itself.
    last = await alice.send(conversation, "later", "hi")
    await until(lambda: feed.ephemeral[-1]["data"]["replicated_seq"] == last["seq"], "the next move")
    assert restored_keys(scene, tmp_path / "second.db") >= {"later"}
    again = await scene.enter("bob")
    assert (await again.subscribe(conversation))["data"]["replicated_seq"] == last["seq"]
    # What bob did not ask for he is not told.
    assert alice.feed(conversation).ephemeral == again.feed(conversation).ephemeral == []


async def test_rest_waits_for_the_replica_too_and_shows_the_watermark(scene: Scene, tmp_path: Path) -> None:
    async with RestClient(scene.server.url, scene.token("alice")) as rest:
        conversation = await rest.create_conversation()
        await until_awaited(lambda: replicates(scene), "replication to begin")
        path = f"/v1/conversations/{conversation}"
        draft = {"client_message_id": "sure", "content": "hi", "durability": "replicated"}
        first, again = [await rest.http.post(f"{path}/messages", json=draft) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["durability"] == again.json()["durability"] == "replicated"
        assert restored_keys(scene, tmp_path / "restored.db") >= {"sure"}
        for address in (path, f"{path}/messages"):
            assert (await rest.http.get(address)).json()["replicated_seq"] == first.json()["seq"]
        (shown,) = (await rest.http.get("/v1/conversations", params={"limit": 1})).json()["items"]
        assert (shown["conversation_id"], shown["replicated_seq"]) == (conversation, first.json()["seq"])


async def test_many_who_wait_on_one_socket_share_a_few_syncs_and_hold_up_nothing(scene: Scene) -> None:
    alice = await scene.enter("alice")
    conversation = await scene.converse(alice)
    await until_awaited(lambda: replicates(scene), "replication to begin")
    before = await syncs(scene)
    draft = {"conversation_id": conversation, "content": "hi", "durability": "replicated"}
    calls = [
        {"method": "send", "data": draft | {"client_message_id": str(number)}} for number in range(PIPELINED)
    ]
    answers = await asyncio.gather(*(alice.begin("rpc", call) for call in calls))
    assert [answer["data"]["seq"] for answer in answers] == list(range(1, PIPELINED + 1))
    assert {answer["data"]["durability"] for answer in answers} == {"replicated"}
    assert await syncs(scene) - before <= SYNCS_OF_PIPELINE_MAX


async def replicates(scene: Scene) -> bool:
    """Tell whether a first message has reached the replica."""
    async with RestClient(scene.server.url, scene.token("first")) as rest:
        conversation = await rest.create_conversation()
        draft = {"client_message_id": "first", "content": "hi", "durability": "replicated"}
        sent = await rest.http.post(f"/v1/conversations/{conversation}/messages", json=draft)
        return bool(sent.json()["durability"] == "replicated")
