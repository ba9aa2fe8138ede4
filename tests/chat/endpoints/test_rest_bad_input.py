"""Bad input to the real server: a refusal of the catalogue, never a 500, and nothing is written."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from chat.endpoints.operation import Operation
from chat.endpoints.rest import OPERATIONS
from chat.errors import CATALOGUE
from chat.models import SEQ_MAX
from tests.support.rest import RestClient
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
JSON = {"Content-Type": "application/json"}
CODES = {(problem.status, problem.number) for problem in CATALOGUE}
IN_A_CONVERSATION = [operation for operation in OPERATIONS if "{conversation_id}" in operation.path]
WITH_BODY = [operation for operation in OPERATIONS if operation.body is not None]

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


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def http(shared_server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    async with RestClient(shared_server.url, shared_server.token("alice", scope="assistant")) as rest:
        yield rest.http


async def opened(http: httpx2.AsyncClient) -> str:
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


@pytest.mark.parametrize("operation", IN_A_CONVERSATION, ids=lambda operation: operation.name)
async def test_an_id_that_cannot_be_one_is_404_like_any_that_does_not_exist(
    http: httpx2.AsyncClient, shared_server: Server, operation: Operation
) -> None:
    files = names(shared_server.data_dir)

    for strange in STRANGE_IDS:
        place = address(operation, f"/v1/conversations/{strange}")
        answer = await http.request(operation.method, place, json=operation.example)
        assert answer.status_code in (404, 405), (strange, answer.text)
        assert_refused(answer)
    assert names(shared_server.data_dir) == files


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.name)
async def test_strange_values_are_refused_or_taken_and_what_is_refused_leaves_no_trace(
    http: httpx2.AsyncClient, operation: Operation
) -> None:
    path = await opened(http)
    place = address(operation, path)
    before = await state(http, path)
    taken = 0

    for body in strange_bodies(operation):
        content = json.dumps(body).encode("utf-8", "surrogatepass")
        answer = await http.request(operation.method, place, content=content, headers=JSON)
        if answer.status_code < 300:
            taken += 1
            before = await state(http, path)
        else:
            assert_refused(answer)
            assert await state(http, path) == before, body
    assert taken


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
    http: httpx2.AsyncClient, operation: Operation, content: bytes, status: int
) -> None:
    path = await opened(http)
    before = await state(http, path)

    answer = await http.request(operation.method, address(operation, path), content=content, headers=JSON)

    assert answer.status_code == status, answer.text
    assert_refused(answer)
    assert await state(http, path) == before


@pytest.mark.parametrize(
    "seq", ["0", "-1", "2", "1e1", "x", "%00", "9007199254740991", "9007199254740992", "9" * 400]
)
async def test_a_message_that_is_not_there_is_refused_by_every_method(
    http: httpx2.AsyncClient, seq: str
) -> None:
    path = await opened(http)
    before = await state(http, path)

    for method, body in (("GET", None), ("PATCH", {"content": "ho"}), ("DELETE", None)):
        answer = await http.request(method, f"{path}/messages/{seq}", json=body)
        assert answer.status_code in (400, 404), answer.text
        assert_refused(answer)
    assert await state(http, path) == before


@pytest.mark.parametrize("depth", [33, 100, 900])
async def test_metadata_that_nests_too_deep_is_refused(http: httpx2.AsyncClient, depth: int) -> None:
    path = await opened(http)
    metadata: Json = {}
    for _ in range(depth):
        metadata = {"in": metadata}

    answers = [
        await http.post("/v1/conversations", json={"metadata": metadata}),
        await http.patch(path, json={"metadata": metadata}),
        await http.post(
            f"{path}/messages", json={"client_message_id": "k", "content": "hi", "metadata": metadata}
        ),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, 107)] * 3


@pytest.mark.parametrize("key", ["", "k" * 129, "🙂" * 33])
async def test_a_key_that_is_no_key_is_refused_in_header_and_body(http: httpx2.AsyncClient, key: str) -> None:
    path = await opened(http)
    before = await state(http, path)

    answers = [
        await http.post(f"{path}/messages", json={"client_message_id": key, "content": "hi"}),
        await http.post(
            f"{path}/messages", json={"content": "hi"}, headers={b"Idempotency-Key": key.encode()}
        ),
        await http.patch(path, json={"title": "x", "idempotency_key": key}),
        await http.delete(f"{path}/messages/1", headers={b"Idempotency-Key": key.encode()}),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, 107)] * 4
    assert await state(http, path) == before


@pytest.mark.parametrize("user", ["%00", "a%09b", "%7F", "a" * 251, "🙂" * 63])
async def test_a_user_that_cannot_be_one_is_refused(http: httpx2.AsyncClient, user: str) -> None:
    path = await opened(http)

    answers = [
        await http.patch(f"{path}/members/{user}", json={"role": "admin"}),
        await http.delete(f"{path}/members/{user}"),
    ]

    assert [answer.status_code for answer in answers] == [400, 400]


async def test_one_key_for_two_different_acts_is_409_whatever_they_are(http: httpx2.AsyncClient) -> None:
    path = await opened(http)
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
        await http.request(method, place, json=body, headers=key) for method, place, body in acts
    ]

    assert first.status_code == 200
    assert [(answer.status_code, answer.json()["code"]) for answer in others] == [(409, 409)] * 7


async def test_a_read_position_beyond_the_top_is_refused(http: httpx2.AsyncClient) -> None:
    path = await opened(http)

    answer = await http.put(f"{path}/read", json={"seq": SEQ_MAX})

    assert (answer.status_code, answer.json()["code"]) == (410, 112)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
