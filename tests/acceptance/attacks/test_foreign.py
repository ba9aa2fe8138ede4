"""Attacks by an outsider: what belongs to others looks like what does not exist, and nothing of it reaches him."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from chat.endpoints.operation import Operation
from chat.endpoints.rest import OPERATIONS
from chat.protocols.rpc import METHODS
from tests.support.client import SocketClient
from tests.support.rest import RestClient
from tests.support.scene import RawSocket, Scene

Json = dict[str, Any]
UNKNOWN = 102
NOWHERE = f"main:{uuid.UUID(int=7)}"
KEY = "the key of alice"
IN_A_CONVERSATION = [operation for operation in OPERATIONS if "{conversation_id}" in operation.path]
ABOUT_A_CONVERSATION = [name for name in METHODS if name not in ("conversations", "create_conversation")]
LOOKS = 60
"""How often each of two answers is timed."""


@pytest.fixture
async def alice(scene: Scene) -> SocketClient:
    return await scene.enter("alice")


@pytest.fixture
async def eve(scene: Scene) -> AsyncIterator[httpx2.AsyncClient]:
    async with RestClient(scene.server.url, scene.token("eve")) as rest:
        yield rest.http


async def secret_of(scene: Scene, alice: SocketClient) -> tuple[str, Json]:
    """Let alice and bob have a conversation; return its id and the ack of its first message."""
    conversation = await scene.converse(alice, "bob")
    return conversation, await alice.send(conversation, KEY, "for bob alone")


async def closed_to_eve(scene: Scene, alice: SocketClient) -> dict[str, str]:
    """Return the ways in which a conversation is closed to eve: never hers, no longer hers, and gone."""
    never, _ = await secret_of(scene, alice)
    former, deleted = [await scene.converse(alice, "bob", "eve") for _ in range(2)]
    for conversation in (former, deleted):
        await alice.send(conversation, KEY, "for bob and eve")
    await alice.rpc("remove_member", {"conversation_id": former, "user": scene.user("eve")})
    await alice.rpc("delete_conversation", {"conversation_id": deleted})
    return {"never": never, "former": former, "deleted": deleted}


# Over REST


def asked(operation: Operation, scene: Scene, ack: Json) -> list[Json]:
    """Return the requests that try what eve may have overheard: keys, versions, positions."""
    place = operation.path.replace("{user:path}", scene.user("bob")).replace("{seq}", "1")
    headers = [
        {},
        {"Idempotency-Key": KEY},
        {"If-Match": f'"{ack["epoch"]}.1"'},
        {"If-Match": f'"{ack["epoch"]}.1", "{ack["epoch"]}.2"'},
        {"If-None-Match": f'"{ack["epoch"]}.1"'},
    ]
    queries = [
        "",
        "?after=0",
        "?around=1&limit=1",
        f"?epoch={ack['epoch']}&offset=1",
        "?offset=0",
        "?cursor=1.1",
    ]
    example = {
        name: value for name, value in (operation.example or {}).items() if name != "client_message_id"
    }
    bodies: list[Json] = [operation.example or {}, {**example, "client_message_id": KEY}]
    if operation.method == "GET":
        asked_for = [{"url": place + query, "headers": {}} for query in queries]
        return asked_for + [{"url": place, "headers": each} for each in headers]
    return [{"url": place, "json": body, "headers": each} for body in bodies for each in headers]


@pytest.mark.parametrize("operation", IN_A_CONVERSATION, ids=lambda operation: operation.name)
async def test_over_rest_nothing_tells_a_closed_conversation_from_none(
    scene: Scene, alice: SocketClient, eve: httpx2.AsyncClient, operation: Operation
) -> None:
    closed = await closed_to_eve(scene, alice)
    page = await alice.rpc("history", {"conversation_id": closed["never"]})

    for request in asked(operation, scene, page):
        answers = {
            name: await _answered(eve, operation.method, request, conversation)
            for name, conversation in {**closed, "none": NOWHERE}.items()
        }
        assert len(set(answers.values())) == 1, (request, answers)
        status, body = answers["none"]
        assert status in (400, 404), body
    assert await alice.rpc("history", {"conversation_id": closed["never"]}) == page


async def _answered(
    http: httpx2.AsyncClient, method: str, request: Json, conversation: str
) -> tuple[int, bytes]:
    url = request["url"].replace("{conversation_id}", conversation)
    headers = {**request["headers"], "X-Request-Id": "same"}
    answer = await http.request(
        method, url, headers=headers, **{k: request[k] for k in request if k == "json"}
    )
    return answer.status_code, answer.content


async def test_a_foreign_cursor_opens_nothing(
    scene: Scene, alice: SocketClient, eve: httpx2.AsyncClient
) -> None:
    for _ in range(3):
        await scene.converse(alice, "bob")
    page = await alice.rpc("conversations", {"limit": 1})

    answer = await eve.get("/v1/conversations", params={"cursor": page["next"]})

    assert (answer.status_code, answer.json()) == (200, {"items": [], "next": None})


async def test_a_closed_conversation_takes_as_long_as_none(
    scene: Scene, alice: SocketClient, eve: httpx2.AsyncClient
) -> None:
    conversation, _ = await secret_of(scene, alice)
    took: dict[str, list[float]] = {conversation: [], NOWHERE: []}

    for _ in range(LOOKS):
        for each in took:
            started_s = time.perf_counter()
            await eve.get(f"/v1/conversations/{each}/messages")
            took[each].append(time.perf_counter() - started_s)

    foreign_s, unknown_s = (statistics.median(times) for times in took.values())
    assert foreign_s < 2 * unknown_s
    assert unknown_s < 2 * foreign_s


# Over the socket


def commands(scene: Scene, conversation: str, ack: Json) -> list[Json]:
    """Return what eve can say about a conversation, and try with what she may have overheard."""
    epoch = ack["epoch"]
    known = {"conversation_id": conversation, "seq": 1, "user": scene.user("bob"), "content": "mine"}
    overheard: list[Json] = [
        {"client_message_id": KEY, "role": "admin"},
        {"client_message_id": "new", "role": "member", "idempotency_key": KEY, "title": "mine"},
        {"client_message_id": "new", "version": f"{epoch}.1", "title": "mine", "role": "user"},
        {"client_message_id": "new", "reply_to": 1, "epoch": epoch, "offset": 1, "after": 0, "role": "owner"},
    ]
    calls = [
        {"rpc": {"method": method, "data": {**known, **each}}}
        for method in ABOUT_A_CONVERSATION
        for each in overheard
    ]
    at = {"channel": conversation}
    recovery = {"recover": True, "epoch": epoch, "offset": 1, "flag": 2}
    seen = {"recover": True, "data": {"seen": {"seq": 1, "epoch": epoch}, "ephemeral": ["typing", "read"]}}
    own = scene.token("eve", channel=conversation)
    bobs = scene.token("bob", channel=conversation)
    return [
        *calls,
        {"subscribe": at},
        {"subscribe": at | recovery},
        {"subscribe": at | seen | {"join_leave": True}},
        {"subscribe": at | {"token": own}},
        {"subscribe": at | {"token": bobs}},
        {"sub_refresh": at | {"token": own}},
        {"presence": at},
        {"presence_stats": at},
        {"history": at},
        {"history": at | {"limit": 10}},
        {"history": at | {"limit": -1, "since": {"offset": 1, "epoch": epoch}}},
        {"unsubscribe": at},
        {"publish": at | {"data": {"text": "mine"}}},
    ]


async def test_over_the_socket_nothing_tells_a_closed_conversation_from_none(
    scene: Scene, alice: SocketClient
) -> None:
    closed = await closed_to_eve(scene, alice)
    ack = await alice.send(closed["never"], "another", "for bob alone")
    socket = await scene.raw("eve")

    for number, tried in enumerate(commands(scene, NOWHERE, ack)):
        expected = await _replied(socket, tried)
        for name, conversation in closed.items():
            command = commands(scene, conversation, ack)[number]
            assert await _replied(socket, command) == expected, (name, command)
        assert "error" in expected or "unsubscribe" in expected, (tried, expected)
    page = await alice.rpc("history", {"conversation_id": closed["never"]})
    assert (page["offset"], [item["sender"] for item in page["items"]]) == (2, [scene.user("alice")] * 2)


async def _replied(socket: RawSocket, command: Json) -> Json:
    await socket.say({"id": 7, **command})
    (reply,) = await socket.replies(1)
    return reply


@pytest.mark.parametrize(
    "channel", ["user:{}", "user:{} ", "User:{}", "USER:{}", "user::{}", "user:", "user:*"]
)
async def test_nobody_listens_to_the_news_of_another(scene: Scene, channel: str) -> None:
    await scene.enter("bob")
    socket = await scene.raw("eve")
    for kind in ("subscribe", "history", "presence", "presence_stats"):
        reply = await _replied(socket, {kind: {"channel": channel.format(scene.user("bob")), "limit": 1}})
        assert reply["error"]["code"] == UNKNOWN, (kind, reply)


async def test_whatever_happens_in_a_conversation_no_outsider_is_told(
    scene: Scene, alice: SocketClient
) -> None:
    bob, carol = await scene.enter("bob"), await scene.enter("carol")
    outsider, former = await scene.enter("eve"), await scene.enter("mallory")
    conversation = await scene.converse(alice, "bob", "mallory")
    for client in (bob, former):
        await client.subscribe(conversation, join_leave=True, data={"ephemeral": ["typing", "read"]})
    await alice.rpc("remove_member", {"conversation_id": conversation, "user": scene.user("mallory")})
    await former.feed(conversation).wait_other("unsubscribe")
    for client in (outsider, former):
        client.keep_frames = True
        client.begin("subscribe", {"channel": conversation}).add_done_callback(lambda done: done.exception())
    await asyncio.gather(*(client.command("ping", {}) for client in (outsider, former)))
    asked = {client: len(client.frames) for client in (outsider, former)}

    await _live(scene, conversation, alice, bob)

    for client in (outsider, former, carol):
        await client.command("ping", {})
    for client, before in asked.items():
        pushed = [line for frame in client.frames[before:] for line in frame.split("\n") if "push" in line]
        assert [json.loads(line) for line in pushed] == []
    assert len(bob.feed(conversation).ephemeral) == 2


async def _live(scene: Scene, conversation: str, alice: SocketClient, bob: SocketClient) -> None:
    """Do, as alice and bob, everything that is told to somebody."""
    here = {"conversation_id": conversation}
    await alice.subscribe(conversation)
    await alice.send(conversation, "1", "said")
    await alice.rpc("edit", here | {"seq": 2, "content": "said better"})
    await alice.rpc("typing", here)
    await alice.rpc("read", here | {"seq": 2})
    await alice.rpc("add_member", here | {"user": scene.user("dave")})
    await alice.rpc("update_member", here | {"user": scene.user("bob"), "role": "admin"})
    await alice.rpc("update_conversation", here | {"title": "ours"})
    await alice.rpc("delete", here | {"seq": 2})
    await bob.feed(conversation).wait(6)
    await bob.unsubscribe(conversation)
    await alice.unsubscribe(conversation)


async def test_a_removal_over_rest_silences_every_connection_of_the_removed_at_once(
    scene: Scene, alice: SocketClient
) -> None:
    conversation = await scene.converse(alice, "bob", "eve")
    ears = [await scene.enter("eve") for _ in range(5)]
    for ear in ears:
        await ear.subscribe(conversation, data={"ephemeral": ["typing"]})
    async with RestClient(scene.server.url, scene.token("alice")) as rest:
        place = f"/v1/conversations/{conversation}/members/{scene.user('eve')}"
        assert (await rest.http.delete(place)).status_code == 200
        await rest.send(conversation, "without eve")
        await alice.rpc("typing", {"conversation_id": conversation})

        for ear in ears:
            await ear.command("ping", {})
            assert (await ear.feed(conversation).wait_other("unsubscribe"))["code"] == 2000
            assert (ear.feed(conversation).publications, ear.feed(conversation).ephemeral) == ([], [])
        shown = (await rest.http.get(f"/v1/conversations/{conversation}/presence")).json()
    assert shown == {"items": []}
