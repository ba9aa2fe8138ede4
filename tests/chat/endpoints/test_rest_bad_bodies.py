"""Bad bodies to the real server: a refusal of the catalogue, never a 500, and nothing is written."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from chat.endpoints.operation import Operation
from chat.endpoints.rest import OPERATIONS
from tests.chat.endpoints.rest_real import address, assert_refused, begun, state

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
JSON = {"Content-Type": "application/json"}
WITH_BODY = [operation for operation in OPERATIONS if operation.body is not None]

STRANGE_VALUES: list[object] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**63,
    10**400,
    "",
    "\x00",
    "a\n",
    "🙂" * 200,
    "a" * 100_000,
    [],
    [[]] * 50,
    ["a"] * 2000,
    {},
    {"n": 2**64},
    {"text": "a" * 50_000},
]


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.name)
async def test_strange_values_are_refused_or_taken_and_what_is_refused_leaves_no_trace(
    alice: httpx2.AsyncClient, operation: Operation
) -> None:
    path = await begun(alice)
    place = address(operation, path)
    before = await state(alice, path)
    taken = 0

    for body in strange_bodies(operation):
        content = json.dumps(body).encode("utf-8", "surrogatepass")
        answer = await alice.request(operation.method, place, content=content, headers=JSON)
        if answer.status_code < 300:
            taken += 1
            before = await state(alice, path)
        else:
            assert_refused(answer)
            assert await state(alice, path) == before, body
    assert taken or operation.tag == "ops", "alice is no operator"


def strange_bodies(operation: Operation) -> Iterator[Json]:
    """Yield the example itself, then the example with each of its fields strange, then without each."""
    assert operation.body is not None
    example = operation.example or {}

    def fresh() -> Json:
        return {**example, "client_message_id": str(uuid.uuid4())}

    yield fresh()
    for name in operation.body.__struct_fields__:
        for value in STRANGE_VALUES:
            yield {**fresh(), name: value}
    for name in example:
        yield {key: value for key, value in fresh().items() if key != name}
    yield {**fresh(), "unknown": {"deeply": [{"nested": None}]}}


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.name)
@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff\xfe", 400),
        (b'{"\xed\xa0\x80":1}', 400),
        (b'{"a":"\\ud800"}', 400),
        (b'{"a":"\\udc00\\ud800"}', 400),
        (b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400),
        (b" " * 300_000, 413),
    ],
    ids=["empty", "half", "a-list", "utf-16", "surrogate-bytes", "lone-surrogate", "swapped-surrogates", "deep",
         "oversize"],
)  # fmt: skip
async def test_a_body_that_cannot_be_read_is_refused_everywhere(
    alice: httpx2.AsyncClient, operation: Operation, content: bytes, status: int
) -> None:
    path = await begun(alice)
    before = await state(alice, path)

    answer = await alice.request(operation.method, address(operation, path), content=content, headers=JSON)

    assert answer.status_code == status, answer.text
    assert_refused(answer)
    assert await state(alice, path) == before


@pytest.mark.parametrize("depth", [33, 100, 900])
async def test_metadata_that_nests_too_deep_is_refused(alice: httpx2.AsyncClient, depth: int) -> None:
    path = await begun(alice)
    metadata: Json = {}
    for _ in range(depth):
        metadata = {"in": metadata}

    answers = [
        await alice.post("/v1/conversations", json={"metadata": metadata}),
        await alice.patch(path, json={"metadata": metadata}),
        await alice.post(
            f"{path}/messages", json={"client_message_id": "k", "content": "hi", "metadata": metadata}
        ),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, 107)] * 3
