from __future__ import annotations

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.commands import (
    AddMember,
    Command,
    CreateConversation,
    DeleteConversation,
    DeleteMessage,
    EditMessage,
    GetConversation,
    GetMessage,
    ListConversations,
    ListMembers,
    MarkRead,
    ReadEvents,
    ReadHistory,
    ReadPresence,
    RemoveMember,
    SendMessage,
    ShowTyping,
    UpdateConversation,
    UpdateMember,
)
from chat.errors import BadRequest, MethodNotFound, NotAvailable, Problem
from chat.models import RowId
from chat.protocols.rpc import METHODS, NOT_OFFERED, decode_rpc

ID = "main:0192f0a0-0000-7000-8000-000000000000"
CALLS: list[tuple[str, dict[str, object], Command]] = [
    (
        "send",
        {"client_message_id": "k", "content": "hi"},
        SendMessage(conversation_id=ID, client_message_id="k", content="hi"),
    ),
    (
        "send",
        {
            "client_message_id": "k",
            "role": "assistant",
            "reply_to": 3,
            "metadata": {"a": [1]},
            "attachments": [{}],
        },
        SendMessage(
            conversation_id=ID,
            client_message_id="k",
            role="assistant",
            reply_to=3,
            metadata={"a": [1]},
            attachments=[{}],
        ),
    ),
    (
        "edit",
        {"seq": 7, "content": "hi!", "version": "e.7"},
        EditMessage(conversation_id=ID, seq=7, content="hi!", version="e.7"),
    ),
    (
        "delete",
        {"seq": 7, "idempotency_key": "k"},
        DeleteMessage(conversation_id=ID, seq=7, idempotency_key="k"),
    ),
    ("read", {"seq": 0}, MarkRead(conversation_id=ID, seq=0)),
    ("typing", {}, ShowTyping(conversation_id=ID)),
    ("history", {"before": 7, "limit": 5}, ReadHistory(conversation_id=ID, before=7, limit=5)),
    (
        "events",
        {"epoch": "e", "offset": 3, "seen": {"seq": 4, "epoch": "e"}},
        ReadEvents(conversation_id=ID, epoch="e", offset=3, seen=RowId(4, "e")),
    ),
    ("message", {"seq": 7}, GetMessage(conversation_id=ID, seq=7)),
    ("conversations", {"limit": 5}, ListConversations(limit=5)),
    ("conversation", {}, GetConversation(conversation_id=ID)),
    ("create_conversation", {"members": ["bob"]}, CreateConversation(members=["bob"])),
    ("update_conversation", {"title": None}, UpdateConversation(conversation_id=ID, title=None)),
    ("delete_conversation", {}, DeleteConversation(conversation_id=ID)),
    ("members", {}, ListMembers(conversation_id=ID)),
    ("add_member", {"user": "bob", "role": "admin"}, AddMember(conversation_id=ID, user="bob", role="admin")),
    (
        "update_member",
        {"user": "bob", "role": "admin"},
        UpdateMember(conversation_id=ID, user="bob", role="admin"),
    ),
    ("remove_member", {"user": "bob"}, RemoveMember(conversation_id=ID, user="bob")),
    (
        "leave",
        {"idempotency_key": "k"},
        RemoveMember(conversation_id=ID, user="alice", idempotency_key="k"),
    ),
    ("presence", {}, ReadPresence(conversation_id=ID)),
]


@pytest.mark.parametrize(
    ("method", "data", "command"), CALLS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_method_makes_its_command(method: str, data: dict[str, object], command: Command) -> None:
    written = json.dumps({"conversation_id": ID, **data}).encode()
    assert decode_rpc(method, written, "alice") == command
    assert decode_rpc(method, msgspec.Raw(written), "alice") == command


def test_every_method_has_been_tried() -> None:
    assert {method for method, _, _ in CALLS} == set(METHODS)


def test_nobody_but_oneself_leaves() -> None:
    data = json.dumps({"conversation_id": ID, "user": "bob"}).encode()
    assert decode_rpc("leave", data, "alice") == RemoveMember(conversation_id=ID, user="alice")


@pytest.mark.parametrize("data", [b"", b"null", b"{}"])
def test_data_that_is_absent_is_empty(data: bytes) -> None:
    assert decode_rpc("conversations", msgspec.Raw(data), "alice") == ListConversations()
    with pytest.raises(BadRequest, match="conversation_id"):
        decode_rpc("send", msgspec.Raw(data), "alice")


def test_who_sent_a_message_and_when_is_not_the_clients_to_say() -> None:
    data = {"conversation_id": ID, "client_message_id": "k", "sender": "bob", "seq": 1, "created_at": 1}
    command = decode_rpc("send", json.dumps(data).encode(), "alice")
    assert command == SendMessage(conversation_id=ID, client_message_id="k")


@pytest.mark.parametrize("method", sorted(NOT_OFFERED))
def test_what_the_protocol_knows_and_we_do_not_offer_is_not_available(method: str) -> None:
    with pytest.raises(NotAvailable):
        decode_rpc(method, b"{}", "alice")


@pytest.mark.parametrize("method", ["", "Send", "send ", "handle", "__class__", "\x00", "x" * 10_000])
def test_an_unknown_method_is_not_found(method: str) -> None:
    with pytest.raises(MethodNotFound):
        decode_rpc(method, b"{}", "alice")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"5", "Expected `object`, got `int`"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{", "truncated"),
        (b'{"conversation_id":5}', "$.conversation_id"),
        (b'{"conversation_id":"a"}', "client_message_id"),
        (b'{"conversation_id":"a","client_message_id":"k","content":null}', "$.content"),
        (b'{"conversation_id":"a","client_message_id":"k","reply_to":0}', "$.reply_to"),
        (b'{"conversation_id":"a","client_message_id":"k","reply_to":-1}', "$.reply_to"),
        (b'{"conversation_id":"a","client_message_id":"k","reply_to":9223372036854775808}', "$.reply_to"),
        (b'{"conversation_id":"a","client_message_id":"k","metadata":[]}', "$.metadata"),
        (b'{"conversation_id":"a","client_message_id":"k","attachments":[5]}', "$.attachments[0]"),
        (b'{"conversation_id":"a","client_message_id":"k","metadata":' + b'{"a":' * 10_000, "nests too deep"),
        (b'{"conversation_id":"\xff"}', "UTF-8"),
    ],
    ids=lambda value: repr(value[:60]),
)
def test_data_that_is_wrong_is_refused_with_its_place(data: bytes, told: str) -> None:
    with pytest.raises(BadRequest) as refused:
        decode_rpc("send", data, "alice")
    assert told in refused.value.detail


@pytest.mark.parametrize("role", ["SECRET", "SECRET - at `$.SECRET`", "SECRET\n" * 5_000, "`"])
def test_a_refusal_does_not_repeat_what_was_sent(role: str) -> None:
    data = {"conversation_id": "SECRET", "client_message_id": "SECRET", "content": "SECRET", "role": role}
    with pytest.raises(BadRequest) as refused:
        decode_rpc("send", json.dumps(data).encode(), "alice")
    assert refused.value.detail == "Not one of the accepted values - at `$.role`"


@given(method=st.sampled_from(sorted(METHODS)), data=st.binary(max_size=100))
def test_no_data_raises_anything_but_a_problem(method: str, data: bytes) -> None:
    with contextlib.suppress(Problem):
        decode_rpc(method, data, "alice")


FIELDS = st.sampled_from(
    ["conversation_id", "seq", "content", "user", "role", "metadata", "limit", "version", "title"]
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
)


@given(method=st.sampled_from(sorted(METHODS)), data=st.dictionaries(FIELDS, VALUES))
def test_wrong_fields_make_a_command_or_a_bad_request(method: str, data: dict[str, object]) -> None:
    with contextlib.suppress(BadRequest):
        assert isinstance(decode_rpc(method, json.dumps(data).encode(), "alice"), Command)
