"""A connection over the real socket: how it begins, and which channels and methods it has."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.support.client import SocketClient
from tests.support.scene import Scene, refused
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

BAD_REQUEST, NOT_AVAILABLE, UNKNOWN = 107, 108, 102
ALREADY_SUBSCRIBED, LIMIT_EXCEEDED = 105, 106
CHANNELS_MAX = 128


@pytest_asyncio.fixture(loop_scope="module")
async def scene(shared_server: Server) -> AsyncIterator[Scene]:
    async with Scene(shared_server) as opened:
        yield opened


# How a connection begins


async def test_a_command_before_connect_closes_with_3501(scene: Scene) -> None:
    commands: list[dict[str, object]] = [
        {"id": 1, "rpc": {"method": "conversations"}},
        {"id": 1, "ping": {}},
        {"id": 1, "connect": {"token": 7}},
        {"send": {}},
    ]
    for command in commands:
        socket = await scene.raw()
        await socket.say(command)
        assert await socket.ended() == 3501


async def test_a_second_connect_closes_with_3501(scene: Scene) -> None:
    socket = await scene.raw("alice")
    await socket.say({"id": 2, "connect": {"token": scene.token("alice")}})
    assert await socket.ended() == 3501


async def test_the_connect_result_says_who_is_there_and_how_to_stay(scene: Scene) -> None:
    client = scene.client("alice")
    result = await client.connect()
    await client.close()
    assert result["client"] != result["version"] != ""
    assert result["time"] > 1_700_000_000_000
    assert (result["ping"], result["pong"], result["expires"]) == (25, True, True)
    assert 3_590 <= result["ttl"] <= 3_600
    assert list(result["subs"]) == [f"user:{scene.user('alice')}"]


async def test_connect_subscribe_and_rpc_in_one_frame_are_answered_in_order(scene: Scene) -> None:
    conversation = await scene.converse(await scene.enter("alice"), "bob")
    socket = await scene.raw()
    send = {"conversation_id": conversation, "client_message_id": "k", "content": "hi"}
    commands = [
        {"id": 1, "connect": {"token": scene.token("bob")}},
        {"id": 2, "subscribe": {"channel": conversation}},
        {"id": 3, "rpc": {"method": "send", "data": send}},
        {"id": 4, "ping": {}},
    ]
    await socket.say("\n".join(json.dumps(command) for command in commands))
    replies = await socket.replies(5)
    ids = [reply["id"] for reply in replies if "id" in reply]
    assert ids[:2] == [1, 2]
    assert sorted(ids) == [1, 2, 3, 4]
    pushes = [reply["push"] for reply in replies if "push" in reply]
    assert [push["pub"]["offset"] for push in pushes] == [1]


@pytest.mark.parametrize("offered", [["centrifuge-json"], ["centrifuge-protobuf", "centrifuge-json"]])
async def test_the_json_subprotocol_is_echoed_where_it_was_offered(scene: Scene, offered: list[str]) -> None:
    socket = await scene.raw(subprotocols=offered)
    assert socket.connection.subprotocol == "centrifuge-json"
    await socket.say({"id": 1, "connect": {"token": scene.token("alice")}})
    assert "connect" in (await socket.replies(1))[0]


async def test_no_subprotocol_is_invented(scene: Scene) -> None:
    assert (await scene.raw()).connection.subprotocol is None
    assert (await scene.raw(subprotocols=["chat"])).connection.subprotocol is None


async def test_protobuf_is_refused_with_3506(scene: Scene) -> None:
    assert await (await scene.raw(subprotocols=["centrifuge-protobuf"])).ended() == 3506


@pytest.mark.parametrize("query", ["format=protobuf", "cf_protocol=protobuf", "a=b&format=protobuf"])
async def test_protobuf_that_the_address_asks_for_is_refused_too(shared_server: Server, query: str) -> None:
    client = SocketClient(f"{shared_server.ws_url}?{query}", "")
    await client.open()
    assert await client.wait_closed() == 3506


async def test_an_empty_subprotocol_header_is_no_obstacle(shared_server: Server) -> None:
    address = urlsplit(shared_server.ws_url)
    assert address.hostname is not None
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = [
        f"GET {address.path} HTTP/1.1",
        f"Host: {address.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Protocol: ",
    ]
    writer.write("\r\n".join([*head, "", ""]).encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-protocol" not in answer.lower()


# Channels


async def test_a_duplicate_subscribe_is_told_so(scene: Scene) -> None:
    alice = await scene.enter("alice")
    conversation = await scene.converse(alice)
    await alice.subscribe(conversation)
    assert (await refused(alice.subscribe(conversation))).code == ALREADY_SUBSCRIBED
    own = await refused(alice.subscribe(f"user:{scene.user('alice')}"))
    assert own.code == ALREADY_SUBSCRIBED


async def test_one_connection_has_at_most_128_channels(scene: Scene) -> None:
    alice = await scene.enter("alice")
    created = [alice.begin("rpc", {"method": "create_conversation", "data": {}}) for _ in range(CHANNELS_MAX)]
    conversations = [(await answer)["data"]["conversation_id"] for answer in created]
    for conversation in conversations[: CHANNELS_MAX - 1]:  # the user's own channel is one
        await alice.subscribe(conversation)
    refusal = await refused(alice.subscribe(conversations[-1]))
    assert (refusal.code, refusal.temporary) == (LIMIT_EXCEEDED, False)
    await alice.unsubscribe(conversations[0])
    await alice.subscribe(conversations[-1])


async def test_what_is_unknown_and_what_is_foreign_cannot_be_told_apart(scene: Scene) -> None:
    foreign = await scene.converse(await scene.enter("alice"))
    unknown = f"main:{'0' * 8}-0000-7000-8000-{'0' * 12}"
    eve = await scene.enter("eve")
    channels = [foreign, unknown, f"user:{scene.user('alice')}", "news", "main:", "persona:x", "\u00e9" * 100]
    told = set()
    for channel in channels:
        for kind in ("subscribe", "history", "presence", "presence_stats"):
            refusal = await refused(eve.command(kind, {"channel": channel, "limit": 1}))
            told.add((refusal.code, refusal.message))
        for method in ("history", "events", "members", "conversation", "typing", "presence", "leave"):
            refusal = await refused(eve.rpc(method, {"conversation_id": channel}))
            told.add((refusal.code, refusal.message))
        refusal = await refused(eve.send(channel, "k", "hi"))
        told.add((refusal.code, refusal.message))
    assert len(told) == 1
    assert told.pop()[0] == UNKNOWN


@pytest.mark.parametrize("channel", ["", "x" * 256, "\u00e9" * 128])
async def test_a_channel_name_has_1_to_255_bytes(scene: Scene, channel: str) -> None:
    eve = await scene.enter("eve")
    assert (await refused(eve.subscribe(channel))).code == BAD_REQUEST
    assert (await eve.command("ping", {})) == {}


async def test_unsubscribing_stops_the_channel_and_twice_is_the_same_as_once(scene: Scene) -> None:
    alice, bob = await scene.enter("alice"), await scene.enter("bob")
    conversation = await scene.converse(alice, "bob")
    await bob.subscribe(conversation)
    await alice.send(conversation, "1", "heard")
    await bob.feed(conversation).wait(1)
    assert await bob.unsubscribe(conversation) == {}
    assert await bob.unsubscribe(conversation) == {}
    await alice.send(conversation, "2", "not heard")
    await bob.command("ping", {})
    assert bob.feed(conversation).contents == ["heard"]


async def test_publish_is_refused_and_says_what_to_use(scene: Scene) -> None:
    alice = await scene.enter("alice")
    conversation = await scene.converse(alice)
    refusal = await refused(alice.command("publish", {"channel": conversation, "data": {"a": 1}}))
    assert refusal.code == NOT_AVAILABLE
    assert "send" in refusal.message


async def test_methods_that_do_not_exist_and_those_that_come_later_are_told_apart(scene: Scene) -> None:
    alice = await scene.enter("alice")
    assert (await refused(alice.rpc("shout", {}))).code == 104
    for method in ("react", "sync"):
        assert (await refused(alice.rpc(method, {}))).code == NOT_AVAILABLE


async def test_without_replication_a_send_that_asks_for_it_is_answered_at_once_as_committed(
    scene: Scene,
) -> None:
    alice = await scene.enter("alice")
    conversation = await scene.converse(alice)
    first = await alice.send(conversation, "k", "hi", durability="replicated")
    again = await alice.send(conversation, "k", "hi", durability="replicated")
    assert (first["durability"], first["duplicate"]) == ("committed", False)
    assert (again["durability"], again["duplicate"]) == ("committed", True)


async def test_the_channels_of_a_token_are_subscribed_at_connect_if_they_are_the_users(scene: Scene) -> None:
    alice, eve = await scene.enter("alice"), await scene.enter("eve")
    mine = await scene.converse(alice, "bob")
    foreign = await scene.converse(eve)
    await alice.send(mine, "1", "first")
    token = scene.token("bob", channels=[mine, foreign, "nonsense"])
    socket = await scene.raw()
    subs = {mine: {"recover": True}, foreign: {"recover": True}}
    await socket.say({"id": 1, "connect": {"token": token, "subs": subs}})
    connected = (await socket.replies(1))[0]["connect"]
    assert set(connected["subs"]) == {f"user:{scene.user('bob')}", mine}
    assert [item["offset"] for item in connected["subs"][mine]["publications"]] == [1]
    await alice.send(mine, "2", "second")
    assert (await socket.replies(1))[0]["push"]["channel"] == mine
