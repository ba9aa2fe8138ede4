"""A server answers each method with the struct that the socket's reference names."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chat.protocols.rpc import METHODS
from tests.docs.socket_reference import ANSWERS
from tests.support.client import SocketClient
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

MORE: dict[str, dict[str, object]] = {
    "send": {"client_message_id": "k", "content": "hello"},
    "edit": {"seq": 1, "content": "hello!"},
    "read": {"seq": 1},
    "message": {"seq": 1},
    "delete": {"seq": 1},
    "update_conversation": {"title": "plans"},
    "add_member": {"user": "carol"},
    "update_member": {"user": "carol", "role": "admin"},
    "remove_member": {"user": "carol"},
}
"""What a method needs beside the conversation; in this order, since each stands on those before."""

ALONE = ("create_conversation", "conversations")
LAST = ("leave", "delete_conversation")


async def test_every_method_answers_as_the_reference_says(shared_server: Server) -> None:
    async with SocketClient(shared_server.ws_url, shared_server.token("alice")) as alice:
        answers = await answered(alice)
    assert set(answers) == set(METHODS)
    for method, answer in answers.items():
        check(method, answer)


async def answered(alice: SocketClient) -> dict[str, Any]:
    """Call every method once and return the answers."""
    answers: dict[str, Any] = {"create_conversation": await alice.rpc("create_conversation", {"members": []})}
    answers["conversations"] = await alice.rpc("conversations", {})
    conversation = {"conversation_id": answers["create_conversation"]["conversation_id"]}
    others = [method for method in METHODS if method not in (*MORE, *ALONE, *LAST)]
    for method in (*MORE, *others):
        answers[method] = await alice.rpc(method, conversation | MORE.get(method, {}))
    another = await alice.rpc("create_conversation", {"members": ["bob"]})
    answers["leave"] = await alice.rpc("leave", {"conversation_id": another["conversation_id"]})
    answers["delete_conversation"] = await alice.rpc("delete_conversation", conversation)
    return answers


def check(method: str, answer: Any) -> None:
    """Hold an answer against its struct: it can be read as one, and has no field that is not described."""
    struct = ANSWERS[method]
    if struct is None:
        assert answer == {}
        return
    msgspec.convert(answer, struct)
    assert set(answer) - {"type"} <= set(struct.__struct_fields__), method
    needed = {field.name for field in msgspec.structs.fields(struct) if field.required}
    assert needed <= set(answer), method
