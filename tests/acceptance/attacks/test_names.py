"""Attacks by names: ids, paths and keys that look like files stay names, and no file comes of them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest

from chat.protocols.rpc import METHODS
from tests.support.client import ReplyError, SocketClient
from tests.support.raw_http import ask
from tests.support.rest import RestClient
from tests.support.scene import Scene, refused
from tests.support.server import Server

Json = dict[str, Any]
BAD_REQUEST, UNKNOWN, UNRECOVERABLE = 107, 102, 112
NAME = "0199f0c1-2a3b-7c4d-8e5f-60718293a4b5"
ABOUT_A_CONVERSATION = [name for name in METHODS if name not in ("conversations", "create_conversation")]

HOSTILE = [
    "../x",
    "..",
    "/etc/passwd",
    "main.db",
    "main.db-wal",
    "x.db-wal",
    "secret",
    "file:x?mode=memory",
    f"file:x?mode=memory:{NAME}",
    ":memory:",
    f":memory::{NAME}",
    f"Main:{NAME}",
    f"MAIN:{NAME}",
    f"main:{NAME.upper()}",
    f"main:{NAME}/../{NAME}",
    f"main:{NAME}.db",
    f"main/:{NAME}",
    f"../main:{NAME}",
    f"..%2fmain:{NAME}",
    f"main%3A{NAME}",
    f"main:{NAME}\x00",
    f"main\x00:{NAME}",
    "\x00",
    f"marvin:{NAME}",
    f"persona_main:{NAME}",
    f"m\u0430in:{NAME}",
    f"main\uff1a{NAME}",
    f"main:{NAME}; DROP TABLE messages",
    "main:' OR 1=1 --",
    "a" * 250,
    "%00",
    "-rf",
    "$(touch x)",
    "`touch x`",
]

TARGETS = [
    "/../../etc/passwd",
    "/docs/../../secret",
    "/docs/..%2f..%2fsecret",
    "/docs/%2e%2e/%2e%2e/data/secret",
    "/docs/app.js/../../../settings.py",
    "/docs//etc/passwd",
    "//etc/passwd",
    "/v1/conversations/../../data/secret",
    "/v1/conversations/main:{name}%2fmessages",
    "/v1/conversations/main:{name}%2F..%2Fsecret/messages",
    "/v1/conversations/..%5c..%5csecret",
    "/v1/conversations/%2e%2e%2f%2e%2e%2fsecret/messages",
    "/v1/conversations/main:{name}%00/messages",
    "/v1/conversations/main:{name};x=1/messages",
    "/v1/conversations/Main:{name}/messages",
    "/v1/conversations/" + "a" * 300,
    "/v1/conversations/" + "%2e" * 300,
    "/v1/conversations/%",
    "/v1/conversations/%zz",
    "/v1/conversations/%u002e",
    "/v1/conversations/%c0%ae%c0%ae%c0%af",
    "http://evil.example/v1/conversations/x",
    "/v1/conversations/main:{name}/members/..%2f..%2fsecret/x",
    "/v1/conversations/main:{name}/messages/1%00",
    "/v1/conversations/main:{name}/messages/0x1",
    "/v1/conversations/main:{name}/messages/" + "9" * 300,
    "/openapi.json/../data/main.db",
    "/main.db",
    "/secret",
    "/.git/config",
]


def files(server: Server) -> set[str]:
    """Return the names of all files beside and below the data folder."""
    above = server.data_dir.parent
    return {os.path.join(folder, name) for folder, _, names in os.walk(above) for name in names}


@pytest.fixture(autouse=True)
async def no_file_comes_of_it(scene: Scene) -> AsyncIterator[None]:
    """Hold the files after the test against those before it."""
    before = files(scene.server)
    yield
    assert files(scene.server) == before


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
async def test_no_name_opens_anything_over_the_socket(scene: Scene, name: str) -> None:
    mallory = await scene.enter("mallory")
    fields = {"seq": 1, "client_message_id": "k", "content": "x", "user": "bob", "title": "x"}

    codes = set()
    for kind in ("subscribe", "presence", "presence_stats", "history"):
        codes.add((await refused(mallory.command(kind, {"channel": name, "limit": 1}))).code)
    for method in ABOUT_A_CONVERSATION:
        role = {"role": "member"} if "member" in method else {}
        codes.add((await refused(mallory.rpc(method, {"conversation_id": name, **fields, **role}))).code)

    assert codes == {UNKNOWN}


async def test_no_name_is_too_long_to_be_refused(scene: Scene) -> None:
    mallory = await scene.enter("mallory")

    for name in ("a" * 256, f"main:{NAME}" + "0" * 300, "\u00e9" * 150, "../" * 10_000):
        assert (await refused(mallory.subscribe(name))).code == BAD_REQUEST
        assert (await refused(mallory.rpc("history", {"conversation_id": name}))).code == UNKNOWN


@pytest.mark.parametrize("target", TARGETS)
async def test_no_address_leads_out_of_the_routes(scene: Scene, target: str) -> None:
    token = f"Authorization: Bearer {scene.token('mallory')}"
    target = target.replace("{name}", NAME)

    for method in ("GET", "DELETE"):
        answer = await ask(scene.server.port, method, target, token)
        assert answer.status in (400, 404, 405, 414), (method, answer.body)
        assert b"SQLite format" not in answer.body
        assert scene.token("mallory").encode() not in answer.body


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
async def test_names_of_people_kinds_and_keys_are_kept_as_text_or_refused(scene: Scene, name: str) -> None:
    mallory = await scene.enter("mallory")
    here = {"conversation_id": await scene.converse(mallory)}

    for method, fields in (
        ("add_member", {"user": name}),
        ("create_conversation", {"members": [name], "kind": name, "title": name}),
        ("create_conversation", {"members": [name], "title": name, "idempotency_key": name}),
        ("send", {"client_message_id": "typed", "content": name, "content_type": name}),
        ("send", {"client_message_id": name, "content": name}),
        ("conversations", {"cursor": name, "kind": name}),
        ("events", {"epoch": name, "offset": 1}),
    ):
        data = fields if method == "conversations" else {**here, **fields}
        assert await code_of(mallory.rpc(method, data)) in (0, BAD_REQUEST, UNKNOWN, UNRECOVERABLE), method
    texts = [item["content"] for item in (await mallory.rpc("history", here))["items"]]
    assert set(texts) <= {name}


async def code_of(answer: Awaitable[object]) -> int:
    """Return the code of a refusal, 0 for none."""
    try:
        await answer
    except ReplyError as refusal:
        return refusal.code
    return 0


@pytest.mark.parametrize(
    "user", ["../x", "/etc/passwd", "file:x?mode=memory", "a" * 250, "\u202euser", ":", "-rf"]
)
async def test_a_person_may_be_called_anything_that_a_token_may_say(scene: Scene, user: str) -> None:
    token = scene.server.token(user)
    async with (
        SocketClient(scene.server.ws_url, token) as client,
        RestClient(scene.server.url, token) as rest,
    ):
        conversation = await rest.create_conversation()
        await client.subscribe(conversation)
        await rest.send(conversation, "hi")
        (event,) = await client.feed(conversation).wait(1)
    assert event["sender"] == user


@pytest.mark.parametrize(
    "user", ["", "a" * 251, "a\x00b", "a\nb", "\x1b[2J", 7, None, ["alice"], {"a": 1}, True]
)
async def test_a_person_who_cannot_be_written_down_is_let_in_by_no_door(scene: Scene, user: object) -> None:
    token = scene.server.token("alice", sub=user)

    async with RestClient(scene.server.url, token) as rest:
        assert (await rest.http.get("/v1/conversations")).status_code == 401
    socket = await scene.raw()
    await socket.say({"id": 1, "connect": {"token": token}})
    assert await socket.ended() == 3500
