"""Attacks by frames: commands that were damaged at random are answered or end their socket, and nobody else's."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from chat.errors import CATALOGUE
from chat.protocols.rpc import METHODS
from tests.support.scene import RawSocket, Scene, draft

Json = dict[str, Any]
SEEDS = range(3)
FRAMES = 60
LAST = 4_000_000_000
INTERNAL = 100
ENDS = (3500, 3501, 1007)  # a token that is none, what is no command, what is no UTF-8
CODES = {problem.number for problem in CATALOGUE} - {INTERNAL}
SPLINTERS = [
    '"',
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\",
    "\\u0000",
    "\\ud800",
    "\n",
    "null",
    "-1",
    "1e999",
    "9" * 30,
    "{}",
]


def commands(conversation: str) -> list[str]:
    """Return one well-formed command of each kind, and one call of each method, about a conversation."""
    at = {"channel": conversation}
    calls: list[Json] = [
        {"rpc": {"method": each, "data": {**draft(conversation, "k"), "seq": 1}}} for each in METHODS
    ]
    kinds: list[Json] = [
        {"subscribe": at | {"recover": True, "epoch": "x", "offset": 1}},
        {"presence": at},
        {"ping": {}},
    ]
    more: list[Json] = [
        {"history": at | {"limit": 1}},
        {"unsubscribe": at},
        {"refresh": {"token": "x"}},
        {"send": {}},
    ]
    return [json.dumps({"id": 7, **each}) for each in (*calls, *kinds, *more)]


def damaged(text: str, chance: random.Random) -> str:
    """Cut something out, repeat something or drive a splinter in, up to three times."""
    for _ in range(chance.randint(1, 3)):
        first, last = sorted(chance.choices(range(len(text) + 1), k=2))
        middle = chance.choice(["", text[first:last] * 2, chance.choice(SPLINTERS)])
        text = text[:first] + middle + text[last:]
    return text


@pytest.mark.parametrize("seed", SEEDS)
async def test_damaged_frames_are_answered_or_end_their_own_socket(scene: Scene, seed: int) -> None:
    chance = random.Random(seed)
    bob = await scene.enter("bob")
    conversation = await scene.converse(bob)
    sound = commands(conversation)

    for number in range(FRAMES):
        code, replies = await _said(await scene.raw("mallory"), damaged(chance.choice(sound), chance))
        assert code in (None, *ENDS)
        assert {reply["error"]["code"] for reply in replies if "error" in reply} <= CODES, replies
        await bob.send(conversation, str(number), "undisturbed")

    page = await bob.rpc("history", {"conversation_id": conversation, "limit": FRAMES})
    assert [item["sender"] for item in page["items"]] == [scene.user("bob")] * FRAMES


async def _said(socket: RawSocket, frame: str) -> tuple[int | None, list[Json]]:
    """Say a frame and then a ping; return the close code, None while it is open, and what was answered."""
    replies: list[Json] = []
    await socket.say(frame)
    try:
        await socket.say({"id": LAST, "ping": {}})
        while not replies or replies[-1].get("id") != LAST:
            replies += await socket.replies(1)
    except ConnectionClosed:
        return socket.connection.close_code, replies
    return None, replies
