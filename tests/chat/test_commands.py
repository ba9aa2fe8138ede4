"""Commands: the limits that need no setting, as they are decoded and as they are checked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chat.commands import (
    JSON_DEPTH_MAX,
    CreateConversation,
    EditMessage,
    ListConversations,
    MarkRead,
    ReadEvents,
    ReadHistory,
    SendMessage,
    UpdateConversation,
    check_content,
    check_key,
    check_user,
    encode_json,
    parse_version,
)
from chat.errors import BadRequest, TooLarge
from chat.models import SEQ_MAX, RowId

HERE = {"conversation_id": "main:x"}
SEND: dict[str, Any] = {**HERE, "client_message_id": "k", "content": "hi"}


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (SendMessage, {"content_type": "Text"}),
        (SendMessage, {"content_type": ""}),
        (SendMessage, {"content_type": "x" * 65}),
        (SendMessage, {"role": "boss"}),
        (SendMessage, {"reply_to": 0}),
        (SendMessage, {"reply_to": SEQ_MAX + 1}),
        (SendMessage, {"reply_to_version": "1"}),
        (SendMessage, {"durability": "sure"}),
        (SendMessage, {"metadata": []}),
        (SendMessage, {"attachments": [1]}),
        (SendMessage, {"first_sent_epoch": "x" * 65}),
        (EditMessage, {"seq": -1}),
        (EditMessage, {"seq": 1, "version": "e.1.2"}),
        (MarkRead, {"seq": -1}),
        (MarkRead, {"seq": 1.5}),
        (MarkRead, {"seq": "1"}),
        (ReadHistory, {"before": 0}),
        (ReadHistory, {"limit": 0}),
        (ReadHistory, {"limit": 2**63}),
        (ReadEvents, {"offset": -1}),
        (ReadEvents, {"seen": {"seq": -1, "epoch": ""}}),
        (ReadEvents, {"seen": {"seq": SEQ_MAX + 1, "epoch": ""}}),
        (ReadEvents, {"seen": {"seq": 1}}),
        (CreateConversation, {"title": "x" * 201}),
        (CreateConversation, {"kind": "2"}),
        (CreateConversation, {"members": [1]}),
        (UpdateConversation, {"title": 7}),
        (ListConversations, {"kind": ""}),
    ],
)
def test_what_is_out_of_bounds_cannot_be_decoded(command: type[Any], fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**SEND, **fields}, command)


def test_unknown_fields_are_ignored_and_who_asks_is_none_of_them() -> None:
    decoded = msgspec.convert({**SEND, "sender": "eve", "seq": 7, "more": []}, SendMessage)
    assert decoded == SendMessage(**SEND)


def test_what_is_absent_differs_from_null() -> None:
    absent, null = (msgspec.convert(fields, UpdateConversation) for fields in (HERE, {**HERE, "title": None}))
    assert absent.title is msgspec.UNSET
    assert null.title is None


@pytest.mark.parametrize("key", ["k", "x" * 128, "\u00e9" * 64, "a\x00b", " "])
def test_a_key_is_any_text_of_1_to_128_bytes(key: str) -> None:
    check_key(key)


@pytest.mark.parametrize("key", ["", "x" * 129, "\u00e9" * 65, "\ud800"])
def test_any_other_key_is_refused(key: str) -> None:
    with pytest.raises(BadRequest):
        check_key(key)


@pytest.mark.parametrize("user", ["", "x" * 251, "\u00e9" * 126, "a\x00", "a\n", "\x7f", "\ud800"])
def test_an_impossible_user_is_refused(user: str) -> None:
    with pytest.raises(BadRequest):
        check_user(user)
    check_user("anybody else, \u00e9\U0001f600")


def test_content_is_counted_in_bytes() -> None:
    check_content("\u00e9" * 5, 10)
    with pytest.raises(TooLarge):
        check_content("\u00e9" * 6, 10)


def test_a_clients_json_has_one_form() -> None:
    assert (
        encode_json({"b": [1.5, None], "a": "\u00e9"}, "it", 100) == '{"a":"\u00e9","b":[1.5,null]}'.encode()
    )
    assert encode_json(None, "it", 0) is None


def test_a_clients_json_has_a_size_a_depth_and_numbers_that_all_can_read() -> None:
    nested: Any = {}
    for _ in range(JSON_DEPTH_MAX - 1):
        nested = {"n": nested}
    encode_json(nested, "it", 1_000)
    with pytest.raises(BadRequest, match="deeper"):
        encode_json({"n": nested}, "it", 1_000)
    with pytest.raises(TooLarge):
        encode_json({"a": "xx"}, "it", 9)
    for value in (2**64, -(2**63) - 1, "\ud800"):
        with pytest.raises(BadRequest):
            encode_json({"a": value}, "it", 1_000)
    encode_json({"a": [2**63 - 1, -(2**63)]}, "it", 1_000)


def test_a_version_is_an_epoch_and_a_seq() -> None:
    assert parse_version("k3f9x2a1.7") == RowId(seq=7, epoch="k3f9x2a1")
    for text in ("", ".", "e.", ".1", "e.1\n", "E.1", "e.-1", "e.1.2", "e." + "9" * 17, "x" * 33 + ".1"):
        with pytest.raises(BadRequest):
            parse_version(text)
