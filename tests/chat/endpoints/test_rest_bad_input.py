"""Bad ids, seqs, keys and users to the real server: a refusal of the catalogue, and nothing is written."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chat.endpoints.operation import Operation
from chat.endpoints.rest import OPERATIONS
from tests.chat.endpoints.rest_real import address, assert_refused, begun, state
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
IN_A_CONVERSATION = [operation for operation in OPERATIONS if "{conversation_id}" in operation.path]

STRANGE_IDS = [
    "x",
    "..",
    "%2e%2e%2fx",
    "main",
    "main:",
    "main:x",
    "main:..%2f..%2fetc",
    "main.db-wal",
    "file:x%3Fmode=memory",
    f"other:{uuid.UUID(int=7)}",
    f"MAIN:{uuid.UUID(int=7)}",
    f"main:{uuid.UUID(int=7)}%00",
    f"main:{uuid.UUID(int=7)}%0A",
    f"../main:{uuid.UUID(int=7)}".replace("/", "%2f"),
    "%00",
    "%FF%FE",
    "%ED%A0%80",
    "a" * 300,
    "💥",
    "' OR 1=1 --",
]


@pytest.mark.parametrize("operation", IN_A_CONVERSATION, ids=lambda operation: operation.name)
async def test_an_id_that_cannot_be_one_is_404_like_any_that_does_not_exist(
    alice: httpx2.AsyncClient, shared_server: Server, operation: Operation
) -> None:
    files = names(shared_server.data_dir)

    for strange in STRANGE_IDS:
        place = address(operation, f"/v1/conversations/{strange}")
        headers = {"Idempotency-Key": "k"}
        answer = await alice.request(operation.method, place, json=operation.example, headers=headers)
        assert answer.status_code in (404, 405), (strange, answer.text)
        assert_refused(answer)
    assert names(shared_server.data_dir) == files


@pytest.mark.parametrize(
    "seq", ["0", "-1", "2", "1e1", "x", "%00", "9007199254740991", "9007199254740992", "9" * 400]
)
async def test_a_message_that_is_not_there_is_refused_by_every_method(
    alice: httpx2.AsyncClient, seq: str
) -> None:
    path = await begun(alice)
    before = await state(alice, path)

    for method, body in (("GET", None), ("PATCH", {"content": "ho"}), ("DELETE", None)):
        answer = await alice.request(method, f"{path}/messages/{seq}", json=body)
        assert answer.status_code in (400, 404), answer.text
        assert_refused(answer)
    assert await state(alice, path) == before


@pytest.mark.parametrize("key", ["", "k" * 129, "🙂" * 33])
async def test_a_key_that_is_no_key_is_refused_in_header_and_body(
    alice: httpx2.AsyncClient, key: str
) -> None:
    path = await begun(alice)
    before = await state(alice, path)

    answers = [
        await alice.post(f"{path}/messages", json={"client_message_id": key, "content": "hi"}),
        await alice.post(
            f"{path}/messages", json={"content": "hi"}, headers={b"Idempotency-Key": key.encode()}
        ),
        await alice.patch(path, json={"title": "x", "idempotency_key": key}),
        await alice.delete(f"{path}/messages/1", headers={b"Idempotency-Key": key.encode()}),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, 107)] * 4
    assert await state(alice, path) == before


@pytest.mark.parametrize("user", ["%00", "a%09b", "%7F", "a" * 251, "🙂" * 63])
async def test_a_user_that_cannot_be_one_is_refused(alice: httpx2.AsyncClient, user: str) -> None:
    path = await begun(alice)

    answers = [
        await alice.patch(f"{path}/members/{user}", json={"role": "admin"}),
        await alice.delete(f"{path}/members/{user}"),
    ]

    assert [answer.status_code for answer in answers] == [400, 400]


async def test_one_key_for_two_different_acts_is_409_whatever_they_are(alice: httpx2.AsyncClient) -> None:
    path = await begun(alice)
    key = {"Idempotency-Key": "one-key"}
    acts: list[tuple[str, str, Json | None]] = [
        ("PATCH", f"{path}/messages/1", {"content": "ho"}),
        ("DELETE", f"{path}/messages/1", None),
        ("PATCH", path, {"title": "x"}),
        ("POST", f"{path}/members", {"user": "carol"}),
        ("PATCH", f"{path}/members/bob", {"role": "admin"}),
        ("DELETE", f"{path}/members/bob", None),
        ("POST", f"{path}/leave", None),
        ("DELETE", path, None),
    ]

    first, *others = [
        await alice.request(method, place, json=body, headers=key) for method, place, body in acts
    ]

    assert first.status_code == 200
    assert [(answer.status_code, answer.json()["code"]) for answer in others] == [(409, 409)] * 7


async def test_a_read_position_beyond_the_top_is_refused(alice: httpx2.AsyncClient) -> None:
    path = await begun(alice)

    answer = await alice.put(f"{path}/read", json={"seq": 2**53 - 1})

    assert (answer.status_code, answer.json()["code"]) == (410, 112)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
