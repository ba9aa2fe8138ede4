"""Bodies that cannot be read or do not fit: a clear refusal, and nothing is asked of the session."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chat.settings import Settings
from tests.chat.endpoints.rest_stand import PATH, Core, ask

MESSAGES = f"{PATH}/messages"
JSON = {"Content-Type": "application/json"}
DEEP = 100_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "needs a body"),
        (b"{", "not well-formed"),
        (b"nonsense", "not well-formed"),
        (b'{"content":"a"} x', "not well-formed"),
        (b'\xef\xbb\xbf{"content":"a"}', "not well-formed"),
        (b'{"content":"a","metadata":{"a":NaN}}', "not well-formed"),
        (b'{"content":"\\ud800"}', "not well-formed"),
        (b'{"content":"a","ignored":"\\udfff"}', "not well-formed"),
        (b'{"content":"\xff"}', "not valid UTF-8"),
        (b'{"content":"a","ignored":"\xff"}', "not valid UTF-8"),
        (b'{"content":"\xed\xa0\x80"}', "not valid UTF-8"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b'"text"', "Expected `object`"),
        (b'{"content":7}', "$.content"),
        (b'{"content":null}', "$.content"),
        (b'{"content":["a"]}', "$.content"),
        (b'{"client_message_id":7}', "$.client_message_id"),
        (b'{"client_message_id":null}', "$.client_message_id"),
        (b'{"content":"a","reply_to":"7"}', "$.reply_to"),
        (b'{"content":"a","reply_to":7.5}', "$.reply_to"),
        (b'{"content":"a","reply_to":0}', "$.reply_to"),
        (b'{"content":"a","reply_to":-1}', "$.reply_to"),
        (b'{"content":"a","reply_to":9223372036854775808}', "$.reply_to"),
        (b'{"content":"a","reply_to":1e400}', "out of range"),
        (b'{"content":"a","role":"owner"}', "$.role"),
        (b'{"content":"a","content_type":"TEXT"}', "$.content_type"),
        (b'{"content":"a","attachments":{}}', "$.attachments"),
        (b'{"content":"a","attachments":["a"]}', "$.attachments"),
        (b'{"content":"a","metadata":[]}', "$.metadata"),
        (b'{"content":"a","durability":"never"}', "$.durability"),
        (b'{"content":"a","metadata":{"a":' + b"[" * DEEP + b"]" * DEEP + b"}}", "too deep"),
        (b'{"content":"a","ignored":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}", "too deep"),
    ],
)
async def test_a_body_that_cannot_be_read_is_400_and_says_why(content: bytes, said: str) -> None:
    core = Core(settings=Settings(body_bytes_max=1_000_000))

    answer = await ask(core, "POST", MESSAGES, content=content, headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (400, 107)
    assert said in answer.json()["detail"]
    assert core.asked == []


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/v1/conversations", b'{"members":"bob"}'),
        ("POST", "/v1/conversations", b'{"members":[7]}'),
        ("POST", "/v1/conversations", b'{"title":"' + b"a" * 201 + b'"}'),
        ("POST", "/v1/conversations", b'{"kind":"No"}'),
        ("PATCH", PATH, b'{"title":7}'),
        ("PATCH", PATH, b'{"version":"x"}'),
        ("POST", f"{PATH}/members", b"{}"),
        ("POST", f"{PATH}/members", b'{"user":"carol","role":"owner"}'),
        ("PATCH", f"{PATH}/members/carol", b"{}"),
        ("PATCH", f"{PATH}/messages/7", b"{}"),
        ("PATCH", f"{PATH}/messages/7", b'{"content":null}'),
        ("PUT", f"{PATH}/read", b"{}"),
        ("PUT", f"{PATH}/read", b'{"seq":-1}'),
        ("PUT", f"{PATH}/read", b'{"seq":"7"}'),
        ("PUT", f"{PATH}/read", b'{"seq":9007199254740992}'),
        ("PUT", f"{PATH}/read", b'{"seq":true}'),
    ],
)
async def test_every_body_is_held_against_its_struct(
    core: Core, method: str, path: str, content: bytes
) -> None:
    answer = await ask(core, method, path, content=content, headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (400, 107), answer.text
    assert core.asked == []


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "json",
    ],
)
async def test_anything_but_json_is_415(core: Core, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}

    answer = await ask(core, "POST", MESSAGES, content=b'{"client_message_id":"k"}', headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (415, 415)
    assert core.asked == []


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json; charset="utf-8"',
     "application/merge-patch+json"],
)  # fmt: skip
async def test_json_may_say_that_it_is_utf_8(core: Core, content_type: str) -> None:
    body = b'{"client_message_id":"k","content":"hi"}'

    answer = await ask(core, "POST", MESSAGES, content=body, headers={"Content-Type": content_type})

    assert answer.status_code == 201


async def test_a_compressed_body_is_415(core: Core) -> None:
    answer = await ask(core, "POST", MESSAGES, content=b"x", headers=JSON | {"Content-Encoding": "gzip"})

    assert answer.status_code == 415


@pytest.mark.parametrize("announced", ["262145", "9" * 5000, "-1", "1e3"])
async def test_a_body_that_announces_too_much_is_refused_before_it_is_read(
    core: Core, announced: str
) -> None:
    read: list[bytes] = []

    async def content() -> AsyncIterator[bytes]:
        read.append(b"x")
        yield b"x"

    headers = JSON | {"Content-Length": announced}
    answer = await ask(core, "POST", MESSAGES, content=content(), headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (413, 413)
    assert (read, core.asked) == ([], [])


async def test_a_body_that_turns_out_too_large_is_refused(core: Core) -> None:
    read: list[int] = []

    async def content() -> AsyncIterator[bytes]:
        for number in range(100):
            read.append(number)
            yield b" " * 64 * 1024

    answer = await ask(core, "POST", MESSAGES, content=content(), headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (413, 413)
    assert (len(read), core.asked) == (core.settings.body_bytes_max // (64 * 1024) + 1, [])


async def test_a_body_of_just_the_limit_is_taken() -> None:
    core = Core(settings=Settings(body_bytes_max=1024))
    head, tail = b'{"client_message_id":"k","content":"', b'"}'
    full = head + b"a" * (1024 - len(head) - len(tail)) + tail

    taken = await ask(core, "POST", MESSAGES, content=full, headers=JSON)
    refused = await ask(core, "POST", MESSAGES, content=full + b" ", headers=JSON)

    assert (taken.status_code, refused.status_code) == (201, 413)


async def test_a_body_is_not_read_where_none_is_wanted(core: Core) -> None:
    answer = await ask(core, "POST", f"{PATH}/leave", content=b"\xff not json")

    assert answer.status_code == 200
