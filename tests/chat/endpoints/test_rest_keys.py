"""The Idempotency-Key header: bare, quoted, beside the same key in the body, or against it."""

from __future__ import annotations

import pytest

from chat.commands import (
    AddMember,
    CreateConversation,
    DeleteMessage,
    EditMessage,
    RemoveMember,
    SendMessage,
)
from tests.chat.endpoints.rest_stand import PATH, Core, ask

HEADER = "Idempotency-Key"


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("k-1", "k-1"),
        ("  k 1\t", "k 1"),
        ('"k-1"', "k-1"),
        ('"a\\"b\\\\c"', 'a"b\\c'),
        ('""', ""),
        ('a"b', 'a"b'),
        ('k"', 'k"'),
        ("schlüssel", "schlüssel"),
    ],
)
async def test_the_header_gives_the_key_of_a_send(core: Core, value: str, key: str) -> None:
    answer = await ask(
        core, "POST", f"{PATH}/messages", json={"content": "hi"}, headers={HEADER: value.encode()}
    )

    assert answer.status_code == 201
    assert isinstance(core.command, SendMessage)
    assert core.command.client_message_id == key


@pytest.mark.parametrize("value", [b'"k', b'"', b'"a"b"', b'"a\\x"', b'"k-1";a=1', b'"\xc3\xa9"', b"\xff"])
async def test_a_malformed_header_is_refused(core: Core, value: bytes) -> None:
    answer = await ask(core, "POST", f"{PATH}/messages", json={"content": "hi"}, headers={HEADER: value})

    assert (answer.status_code, answer.json()["code"]) == (400, 107)
    assert core.asked == []


async def test_a_send_without_any_key_is_told_what_to_do(core: Core) -> None:
    answer = await ask(core, "POST", f"{PATH}/messages", json={"content": "hi"})

    assert (answer.status_code, answer.json()["name"]) == (400, "bad_request")
    assert "client_message_id" in answer.json()["detail"]
    assert HEADER in answer.json()["detail"]
    assert core.asked == []


@pytest.mark.parametrize("header", ["k-1", '"k-1"'])
async def test_the_same_key_in_header_and_body_is_one_key(core: Core, header: str) -> None:
    body = {"client_message_id": "k-1", "content": "hi"}

    answer = await ask(core, "POST", f"{PATH}/messages", json=body, headers={HEADER: header})

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{PATH}/messages", {"client_message_id": "k-1", "content": "hi"}),
        ("/v1/conversations", {"idempotency_key": "k-1"}),
    ],
)
async def test_two_different_keys_are_refused(core: Core, path: str, body: dict[str, str]) -> None:
    answer = await ask(core, "POST", path, json=body, headers={HEADER: "k-2"})

    assert (answer.status_code, answer.json()["code"]) == (400, 107)
    assert core.asked == []


async def test_two_headers_with_different_keys_are_refused_and_equal_ones_are_one(core: Core) -> None:
    different = await ask(core, "POST", "/v1/conversations", json={}, headers=[(HEADER, "a"), (HEADER, "b")])
    equal = await ask(core, "POST", "/v1/conversations", json={}, headers=[(HEADER, "a"), (HEADER, '"a"')])

    assert (different.status_code, equal.status_code) == (400, 201)
    assert core.command == CreateConversation(idempotency_key="a")


@pytest.mark.parametrize(
    ("method", "path", "body", "kind"),
    [
        ("POST", "/v1/conversations", {}, CreateConversation),
        ("POST", f"{PATH}/leave", None, RemoveMember),
        ("POST", f"{PATH}/members", {"user": "carol"}, AddMember),
        ("PATCH", f"{PATH}/messages/7", {"content": "ho"}, EditMessage),
        ("DELETE", f"{PATH}/messages/7", None, DeleteMessage),
    ],
)
async def test_the_header_gives_the_key_of_every_other_write(
    core: Core, method: str, path: str, body: object, kind: type
) -> None:
    await ask(core, method, path, headers={HEADER: "k-1"}, json=body)

    assert type(core.command) is kind
    assert getattr(core.command, "idempotency_key", None) == "k-1"


async def test_a_null_key_in_the_body_is_no_key(core: Core) -> None:
    await ask(core, "POST", "/v1/conversations", json={"idempotency_key": None}, headers={HEADER: "k-1"})

    assert core.command == CreateConversation(idempotency_key="k-1")


async def test_typing_takes_the_header_and_needs_no_key(core: Core) -> None:
    answer = await ask(core, "POST", f"{PATH}/typing", headers={HEADER: "k-1"})

    assert answer.status_code == 204
