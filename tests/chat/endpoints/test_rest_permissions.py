"""REST of the real server: what a scope opens, and that a foreign conversation looks like none."""

from __future__ import annotations

import uuid

import httpx2
import pytest

from chat.endpoints.operation import Operation
from chat.endpoints.rest import OPERATIONS
from tests.chat.endpoints.rest_real import opened, said

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = f"main:{uuid.UUID(int=7)}"
IN_A_CONVERSATION = [operation for operation in OPERATIONS if "{conversation_id}" in operation.path]


async def test_the_process_shows_itself_to_the_scope_ops_alone(
    alice: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    shown = await alice.get("/v1/ops/status")
    refused = await bob.get("/v1/ops/status")

    assert shown.json()["status"] == "ok"
    assert [file["name"] for file in shown.json()["files"]] == ["main"]
    assert shown.json()["files"][0]["generation"] >= 1
    assert (refused.status_code, refused.json()["code"]) == (403, 103)


async def test_the_scope_assistant_speaks_in_another_role_and_nobody_else(
    alice: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    path = await opened(alice, "bob")
    spoken = await said(alice, path, role="assistant")
    refused = await bob.post(
        f"{path}/messages", json={"client_message_id": "k", "content": "hi", "role": "assistant"}
    )

    assert (await bob.get(spoken.headers["location"])).json()["role"] == "assistant"
    assert (refused.status_code, refused.json()["code"]) == (400, 107)


@pytest.mark.parametrize("operation", IN_A_CONVERSATION, ids=lambda operation: operation.name)
async def test_a_foreign_conversation_is_the_same_as_none(
    alice: httpx2.AsyncClient, mallory: httpx2.AsyncClient, operation: Operation
) -> None:
    path = await opened(alice, "bob")
    await said(alice, path)
    template = operation.path.replace("{user:path}", "bob").replace("{seq}", "1")

    async def tried(conversation_id: str) -> httpx2.Response:
        address = template.replace("{conversation_id}", conversation_id)
        headers = {"X-Request-Id": "same", "Idempotency-Key": "k"}
        return await mallory.request(operation.method, address, json=operation.example, headers=headers)

    foreign, unknown = await tried(path.rpartition("/")[2]), await tried(UNKNOWN)

    assert (foreign.status_code, foreign.json()["code"]) == (404, 102)
    assert foreign.content == unknown.content
    assert {**foreign.headers, "date": ""} == {**unknown.headers, "date": ""}
    assert (await alice.get(f"{path}/events")).json()["offset"] == 1
