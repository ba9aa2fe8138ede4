"""Bad input over the real socket: a clear error or the documented close, the server stays up, nothing is written."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from tests.support.client import SocketClient
from tests.support.scene import Scene, refused
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

BAD_REQUEST, UNKNOWN, TOO_LARGE = 107, 102, 413
FRAME_BYTES_MAX = 64 * 1024
DEEP = 100_000
HUGE = 2**63
NUL = "a\x00b"

FRAMES_THAT_END_IT: list[str | bytes] = [
    "",
    "\n",
    " ",
    "null",
    "[]",
    "7",
    '"text"',
    "{",
    "not json",
    '{"id":1}',
    '{"id":0,"ping":{}}',
    '{"id":-1,"ping":{}}',
    '{"id":1.5,"ping":{}}',
    '{"id":"1","ping":{}}',
    '{"id":4294967296,"ping":{}}',
    f'{{"id":{HUGE},"ping":{{}}}}',
    '{"ping":{}}',
    '{"id":1,"unknown":{}}',
    '{"id":1,"ping":{},"rpc":{}}',
    "[" * DEEP,
    '{"a":' * (DEEP // 10),
    "\ufeff{}",
    b"\x00\x01\x02",
    b'{"id":1,"ping":{}}',
    "\n".join(['{"id":1,"ping":{}}'] * 1_001),
]

BODIES_THAT_ARE_REFUSED: list[str] = [
    '"subscribe":{}',
    '"subscribe":[]',
    '"subscribe":{"channel":7}',
    '"subscribe":{"channel":null}',
    '"subscribe":{"channel":"x","offset":-1}',
    '"subscribe":{"channel":"x","offset":1.5}',
    f'"subscribe":{{"channel":"x","offset":{HUGE}}}',
    f'"subscribe":{{"channel":"x","offset":{2**64}}}',
    '"subscribe":{"channel":"x","recover":"yes"}',
    '"subscribe":{"channel":"x","epoch":null}',
    '"subscribe":{"channel":"x","flag":-1}',
    '"subscribe":{"channel":"\\ud800"}',
    '"subscribe":{"channel":"x","data":' + "[" * 50_000 + "]" * 50_000 + "}",
    '"unsubscribe":{}',
    '"presence":{"channel":[]}',
    '"history":{"channel":"x","limit":-2}',
    f'"history":{{"channel":"x","limit":{HUGE}}}',
    '"history":{"channel":"x","limit":1,"since":{"offset":-1}}',
    '"history":{"channel":"x","limit":1,"since":[]}',
    '"rpc":{"method":7}',
    '"rpc":{"method":"send","data":"\\ud800"}',
    '"rpc":{"method":"send","data":7}',
    '"rpc":{"method":"send","data":[]}',
    '"rpc":{"method":"send"}',
    '"rpc":{"method":"history","data":' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}",
    '"refresh":{"token":7}',
    '"sub_refresh":{"token":"x"}',
]


@pytest_asyncio.fixture(loop_scope="module")
async def scene(shared_server: Server) -> AsyncIterator[Scene]:
    async with Scene(shared_server) as opened:
        yield opened


class Room:
    """A conversation with one message, whose content no bad input may change."""

    def __init__(self, conversation: str, alice: SocketClient) -> None:
        self.conversation, self.alice = conversation, alice

    async def untouched(self) -> bool:
        """Tell whether nothing was written since."""
        page = await self.alice.rpc("history", {"conversation_id": self.conversation})
        return page["offset"] == 1 and [item["content"] for item in page["items"]] == ["first"]


@pytest_asyncio.fixture(loop_scope="module")
async def room(scene: Scene) -> Room:
    alice = await scene.enter("alice")
    conversation = await scene.converse(alice, "bob")
    await alice.send(conversation, "first", "first")
    return Room(conversation, alice)


@pytest.mark.parametrize("frame", FRAMES_THAT_END_IT, ids=range(len(FRAMES_THAT_END_IT)))
async def test_what_is_no_command_closes_with_3501(scene: Scene, frame: str | bytes) -> None:
    socket = await scene.raw("eve")
    await socket.say(frame)
    assert await socket.ended() == 3501


async def test_a_text_that_is_no_utf_8_ends_the_connection(scene: Scene) -> None:
    socket = await scene.raw("eve")
    await socket.connection.send(b"\xff\xfe", text=True)
    assert await socket.ended() == 1007


@pytest.mark.parametrize("body", BODIES_THAT_ARE_REFUSED, ids=range(len(BODIES_THAT_ARE_REFUSED)))
async def test_a_command_whose_body_is_wrong_is_refused_and_the_next_is_taken(
    scene: Scene, body: str
) -> None:
    socket = await scene.raw("eve")
    await socket.say(f'{{"id":7,{body}}}', {"id": 8, "ping": {}})
    refusal, answer = await socket.replies(2)
    assert refusal["id"] == 7
    assert refusal["error"]["code"] in (BAD_REQUEST, TOO_LARGE)
    assert len(refusal["error"]["message"]) <= 200
    assert answer == {"id": 8, "ping": {}}


async def test_a_frame_of_more_than_64_kib_is_refused_by_its_ids(scene: Scene, room: Room) -> None:
    socket = await scene.raw("alice")
    for filler in ("x" * FRAME_BYTES_MAX, "\u00e9" * (FRAME_BYTES_MAX // 2)):
        await socket.say(_send(room.conversation, content=filler))
        (refusal,) = await socket.replies(1)
        assert (refusal["id"], refusal["error"]["code"]) == (9, TOO_LARGE)
    assert await room.untouched()


async def test_a_message_without_end_is_cut_off(scene: Scene) -> None:
    socket = await scene.raw("eve")
    with contextlib.suppress(ConnectionClosed):
        await socket.say("x" * 16 * 1024 * 1024)
    assert await socket.ended() in (1009, None)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"content": "x" * (48 * 1024 + 1)}, TOO_LARGE),
        ({"content": "\u00e9" * (24 * 1024 + 1)}, TOO_LARGE),
        ({"content": ""}, BAD_REQUEST),
        ({"content": None}, BAD_REQUEST),
        ({"content": 7}, BAD_REQUEST),
        ({"client_message_id": ""}, BAD_REQUEST),
        ({"client_message_id": "x" * 129}, BAD_REQUEST),
        ({"client_message_id": "\u00e9" * 65}, BAD_REQUEST),
        ({"client_message_id": None}, BAD_REQUEST),
        ({"client_message_id": 7}, BAD_REQUEST),
        ({"content_type": "text html"}, BAD_REQUEST),
        ({"content_type": "text\n"}, BAD_REQUEST),
        ({"content_type": NUL}, BAD_REQUEST),
        ({"content_type": "x" * 65}, BAD_REQUEST),
        ({"role": "assistant"}, BAD_REQUEST),
        ({"role": "boss"}, BAD_REQUEST),
        ({"reply_to": 0}, BAD_REQUEST),
        ({"reply_to": -1}, BAD_REQUEST),
        ({"reply_to": HUGE}, BAD_REQUEST),
        ({"reply_to": 99}, UNKNOWN),
        ({"reply_to": "1"}, BAD_REQUEST),
        ({"reply_to": 1, "reply_to_version": "x"}, BAD_REQUEST),
        ({"reply_to": 1, "reply_to_version": "gone.1"}, 112),
        ({"metadata": []}, BAD_REQUEST),
        ({"metadata": {"m": "x" * 9_000}}, TOO_LARGE),
        ({"metadata": {"m": 2**64}}, BAD_REQUEST),
        ({"attachments": {}}, BAD_REQUEST),
        ({"attachments": [7]}, BAD_REQUEST),
        ({"attachments": [{}] * 17}, 106),
        ({"durability": "written"}, BAD_REQUEST),
        ({"conversation_id": NUL}, UNKNOWN),
        ({"conversation_id": "x" * 10_000}, UNKNOWN),
        ({"conversation_id": "../main"}, UNKNOWN),
        ({"conversation_id": 7}, BAD_REQUEST),
        ({"conversation_id": None}, BAD_REQUEST),
    ],
    ids=str,
)
async def test_a_message_that_cannot_be_taken_is_refused(
    scene: Scene, room: Room, fields: dict[str, Any], code: int
) -> None:
    socket = await scene.raw("alice")
    await socket.say(_send(room.conversation, **fields))
    (refusal,) = await socket.replies(1)
    assert refusal["error"]["code"] == code, refusal
    assert await room.untouched()


@pytest.mark.parametrize(
    "inner", ['"\\ud800"', '{"m":1e400}', '{"m":NaN}', '{"m":' + "[" * 40 + "]" * 40 + "}"]
)
async def test_json_that_no_reader_agrees_on_is_refused(scene: Scene, room: Room, inner: str) -> None:
    socket = await scene.raw("alice")
    head = f'"conversation_id":"{room.conversation}","client_message_id":"k","content":"x"'
    await socket.say(f'{{"id":9,"rpc":{{"method":"send","data":{{{head},"metadata":{inner}}}}}}}')
    if "NaN" in inner:
        assert await socket.ended() == 3501
    else:
        (refusal,) = await socket.replies(1)
        assert (refusal["id"], refusal["error"]["code"]) == (9, BAD_REQUEST)
    assert await room.untouched()


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        ("edit", {"seq": 1, "content": "x", "version": "1"}, BAD_REQUEST),
        ("edit", {"seq": 2, "content": "x"}, UNKNOWN),
        ("edit", {"seq": HUGE, "content": "x"}, BAD_REQUEST),
        ("edit", {"seq": 1, "content": ""}, BAD_REQUEST),
        ("edit", {"seq": 1, "content": "x", "idempotency_key": ""}, BAD_REQUEST),
        ("delete", {"seq": 0}, BAD_REQUEST),
        ("delete", {"seq": 1, "version": "gone.1"}, 112),
        ("read", {"seq": -1}, BAD_REQUEST),
        ("read", {"seq": 2}, 112),
        ("history", {"before": 0}, BAD_REQUEST),
        ("history", {"before": 2, "after": 1}, BAD_REQUEST),
        ("history", {"limit": 0}, BAD_REQUEST),
        ("history", {"limit": HUGE}, BAD_REQUEST),
        ("events", {"epoch": "_", "offset": 0}, 112),
        ("events", {"epoch": "", "offset": 0, "seen": {"seq": HUGE, "epoch": "x"}}, BAD_REQUEST),
        ("events", {"epoch": "", "offset": 0, "seen": {"seq": -1, "epoch": "x"}}, BAD_REQUEST),
        ("add_member", {"user": ""}, BAD_REQUEST),
        ("add_member", {"user": "x" * 251}, BAD_REQUEST),
        ("add_member", {"user": NUL}, BAD_REQUEST),
        ("add_member", {"user": "x", "role": "boss"}, BAD_REQUEST),
        ("remove_member", {"user": "nobody"}, UNKNOWN),
        ("update_conversation", {}, BAD_REQUEST),
        ("update_conversation", {"title": "x" * 201}, BAD_REQUEST),
        ("update_conversation", {"title": 7}, BAD_REQUEST),
        ("create_conversation", {"members": "bob"}, BAD_REQUEST),
        ("create_conversation", {"members": [""]}, BAD_REQUEST),
        ("create_conversation", {"members": [f"u{n}" for n in range(1_001)]}, 106),
        ("create_conversation", {"kind": "A B"}, BAD_REQUEST),
        ("conversations", {"cursor": "made up"}, BAD_REQUEST),
        ("conversations", {"cursor": f"{'9' * 16}.{'9' * 17}"}, BAD_REQUEST),
        ("members", {"cursor": "made up"}, BAD_REQUEST),
    ],
    ids=str,
)
async def test_a_method_whose_data_is_wrong_is_refused(
    room: Room, method: str, fields: dict[str, Any], code: int
) -> None:
    refusal = await refused(room.alice.rpc(method, {"conversation_id": room.conversation, **fields}))
    assert refusal.code == code, refusal
    assert await room.untouched()


@pytest.mark.parametrize(
    "data",
    [
        7,
        [],
        "text",
        {"seen": 7},
        {"seen": {"seq": 1}},
        {"seen": {"seq": -1, "epoch": "x"}},
        {"seen": {"seq": HUGE, "epoch": "x"}},
        {"seen": {"seq": 2**64, "epoch": "x"}},
        {"seen": {"seq": 1.5, "epoch": "x"}},
        {"seen": {"seq": 1, "epoch": None}},
        {"ephemeral": "typing"},
        {"ephemeral": ["typing"] * 17},
        {"ephemeral": [7]},
    ],
    ids=str,
)
async def test_a_subscribe_whose_data_is_wrong_is_refused(room: Room, data: object) -> None:
    refusal = await refused(room.alice.subscribe(room.conversation, recover=True, data=data))
    assert refusal.code == BAD_REQUEST, refusal
    await room.alice.subscribe(room.conversation, data={"ephemeral": ["what", "ever"], "more": 1})


async def test_any_text_at_all_comes_back_as_it_was(scene: Scene) -> None:
    alice = await scene.enter("alice")
    conversation = await scene.converse(alice)
    await alice.subscribe(conversation)
    texts = [
        NUL,
        "\x01\x1f\x7f\u2028",
        "\U0001f600e\u0301",
        "\ufeff",
        " ",
        "'; DROP TABLE messages; --",
        "\r\n",
    ]
    for text in texts:
        await alice.send(conversation, text, text, metadata={text: [text, 2**63 - 1, -(2**63), 0.1, None]})
    events = await alice.feed(conversation).wait(len(texts))
    page = await alice.rpc("history", {"conversation_id": conversation})
    for items in (events, page["items"]):
        assert [item["content"] for item in items] == texts
        assert [item["client_message_id"] for item in items] == texts
        assert [list(item["metadata"]) for item in items] == [[text] for text in texts]


def _send(conversation: str, **fields: Any) -> str:
    data = {"conversation_id": conversation, "client_message_id": "k", "content": "x", **fields}
    return json.dumps({"id": 9, "rpc": {"method": "send", "data": data}}, ensure_ascii=False)
