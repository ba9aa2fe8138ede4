"""The first steps that the tests of the real server take over REST, and what every refusal must look like."""

from __future__ import annotations

import uuid
from typing import Any

import httpx2

from chat.endpoints.operation import Operation
from chat.errors import CATALOGUE

Json = dict[str, Any]
CODES = {(problem.status, problem.number) for problem in CATALOGUE}


async def opened(http: httpx2.AsyncClient, *members: str, **fields: object) -> str:
    """Open a conversation and return its path."""
    answer = await http.post("/v1/conversations", json={"members": members, **fields})
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


async def said(http: httpx2.AsyncClient, path: str, content: str = "hi", **fields: object) -> httpx2.Response:
    """Send a message under a key of its own."""
    body = {"client_message_id": str(uuid.uuid4()), "content": content, **fields}
    answer = await http.post(f"{path}/messages", json=body)
    assert answer.status_code == 201, answer.text
    return answer


async def begun(http: httpx2.AsyncClient) -> str:
    """Open a conversation with a message and return its path."""
    path = (await http.post("/v1/conversations", json={"members": ["bob"]})).headers["location"]
    await http.post(f"{path}/messages", json={"client_message_id": "first", "content": "hi"})
    return str(path)


def address(operation: Operation, path: str) -> str:
    place = operation.path.replace("/v1/conversations/{conversation_id}", path)
    return place.replace("{user:path}", "bob").replace("{seq}", "1")


def assert_refused(answer: httpx2.Response) -> None:
    """A refusal is a problem of the catalogue; what it says fits its status."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert (answer.status_code, answer.json()["code"]) in CODES
    assert 400 <= answer.status_code < 500, answer.text


async def state(http: httpx2.AsyncClient, path: str) -> list[Json]:
    """Return what shows every write: each of a conversation takes a seq, and a new one heads the list."""
    return [(await http.get(address)).json() for address in (path, "/v1/conversations?limit=1")]
