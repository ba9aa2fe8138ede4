"""Who is let in, and how every refusal looks."""

from __future__ import annotations

import pytest

from chat.commands import GetMessage, SendMessage, ShowTyping
from chat.endpoints.rest import OPERATIONS
from chat.errors import (
    CATALOGUE,
    Problem,
    TokenExpired,
    TooManyRequests,
    Unknown,
)
from chat.models import User
from chat.protocols.problem_json import MEDIA_TYPE
from tests.chat.endpoints.rest_stand import PATH, Core, ask, client

SAMPLE = {
    "conversation_id": "main:0199f0c1-2a3b-7c4d-8e5f-60718293a4b5",
    "user:path": "bob",
    "seq": "7",
}


class Expired:
    """Finds every token too old."""

    async def authenticate(self, token: str) -> User:
        raise TokenExpired


def sample(path: str) -> str:
    for name, value in SAMPLE.items():
        path = path.replace("{" + name + "}", value)
    return path


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_every_operation_wants_a_token(core: Core, operation: object) -> None:
    method, path = getattr(operation, "method", ""), getattr(operation, "path", "")

    answer = await ask(core, method, sample(path), token=None)

    assert (answer.status_code, answer.json()["code"]) == (401, 101)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert core.asked == []


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dG9rZW4=", "token-of-alice", "Bearer wrong", "Bearer a b"]
)
async def test_no_other_header_lets_anybody_in(core: Core, header: str) -> None:
    async with client(core, token=None) as http:
        answer = await http.get(PATH, headers={"Authorization": header})

    assert (answer.status_code, answer.json()["code"]) == (401, 101)


async def test_the_scheme_is_written_in_any_case(core: Core) -> None:
    async with client(core, token=None) as http:
        answer = await http.get(PATH, headers={"Authorization": "bEARER   token-of-alice "})

    assert answer.status_code == 200


async def test_two_tokens_are_refused(core: Core) -> None:
    headers = [("Authorization", "Bearer token-of-alice"), ("Authorization", "Bearer token-of-olga")]
    async with client(core, token=None) as http:
        answer = await http.get(PATH, headers=headers)

    assert (answer.status_code, core.asked) == (400, [])


@pytest.mark.parametrize("name", ["token", "access_token", "authorization", "jwt"])
async def test_a_token_in_the_address_is_not_seen(core: Core, name: str) -> None:
    answer = await ask(core, "GET", f"{PATH}?{name}=token-of-alice", token=None)

    assert answer.status_code == 401


async def test_an_expired_token_is_401_and_does_not_count_as_a_guess(core: Core) -> None:
    core.authenticator = Expired()  # type: ignore[assignment]

    for _ in range(5):
        answer = await ask(core, "GET", PATH)
        assert (answer.status_code, answer.json()["code"]) == (401, 109)


async def test_whoever_guesses_tokens_is_turned_away_and_his_neighbours_are_not(core: Core) -> None:
    guesses = [await ask(core, "GET", PATH, token=f"guess-{number}") for number in range(4)]
    neighbour = await ask(core, "GET", PATH)

    assert [answer.status_code for answer in guesses] == [401, 401, 401, 429]
    assert int(guesses[-1].headers["retry-after"]) > 1
    assert guesses[-1].json()["code"] == 111
    assert neighbour.status_code == 200


async def test_guesses_are_counted_by_address(core: Core) -> None:
    for _ in range(4):
        await ask(core, "GET", PATH, token="guess")
    async with client(core, "guess", address="203.0.113.9") as http:
        answer = await http.get(PATH)

    assert answer.status_code == 401


@pytest.mark.parametrize("problem", CATALOGUE)
async def test_whatever_the_session_refuses_is_a_problem(core: Core, problem: type[Problem]) -> None:
    core.answers[GetMessage] = problem("the reason")

    answer = await ask(core, "GET", f"{PATH}/messages/7")

    assert answer.status_code == problem.status
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["code"] == problem.number
    assert answer.json()["detail"] == "the reason"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_each_refusal_is_counted_by_its_name(core: Core) -> None:
    await ask(core, "GET", PATH, token=None)
    await ask(core, "GET", f"{PATH}/messages/x")
    core.answers[GetMessage] = Unknown()
    await ask(core, "GET", f"{PATH}/messages/7")
    core.answers[GetMessage] = ZeroDivisionError()
    await ask(core, "GET", f"{PATH}/messages/7")
    await ask(core, "GET", PATH)

    assert core.observer.refusals == ["unauthorized", "bad_request", "unknown", "internal"]


async def test_too_many_commands_say_when_to_come_back(core: Core) -> None:
    core.answers[ShowTyping] = TooManyRequests(retry_after_s=2.3)

    answer = await ask(core, "POST", f"{PATH}/typing")

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")


async def test_an_unexpected_error_is_a_problem_without_a_word_of_it(core: Core) -> None:
    core.answers[SendMessage] = ZeroDivisionError("the secret reason")

    answer = await ask(core, "POST", f"{PATH}/messages", json={"client_message_id": "k", "content": "hi"})

    assert (answer.status_code, answer.json()["code"], answer.json()["temporary"]) == (500, 100, True)
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v2/conversations", "/v1/nothing", f"{PATH}/nothing", "/v1/ops", "/docs/../x"]
)
async def test_an_unknown_address_is_a_problem(core: Core, path: str) -> None:
    answer = await ask(core, "GET", path)

    assert (answer.status_code, answer.json()["code"]) == (404, 404)
    assert answer.headers["content-type"] == MEDIA_TYPE


@pytest.mark.parametrize(
    "path", ["/v1/conversations/", f"{PATH}/messages/7/", "/livez/", "/connection/websocket/"]
)
async def test_a_slash_too_many_is_told(core: Core, path: str) -> None:
    answer = await ask(core, "GET", path)

    assert (answer.status_code, answer.json()["code"]) == (404, 404)
    assert "without the slash" in answer.json()["detail"]


async def test_a_slash_behind_nothing_is_not_told(core: Core) -> None:
    for path in ("/", "/v1/nothing/", "/v1/conversations//"):
        assert "slash" not in (await ask(core, "GET", path)).json()["detail"]


async def test_the_address_of_the_socket_tells_plain_http_to_upgrade(core: Core) -> None:
    answer = await ask(core, "GET", "/connection/websocket", token=None)

    assert (answer.status_code, answer.json()["code"]) == (426, 426)
    assert (answer.headers["upgrade"], answer.headers["connection"]) == ("websocket", "upgrade")
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert "WebSocket" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/conversations", {"GET", "HEAD", "POST"}),
        ("POST", PATH, {"GET", "HEAD", "PATCH", "DELETE"}),
        ("GET", f"{PATH}/members/bob", {"PATCH", "DELETE"}),
        ("PUT", f"{PATH}/messages/7", {"GET", "HEAD", "PATCH", "DELETE"}),
        ("OPTIONS", f"{PATH}/messages", {"GET", "HEAD", "POST"}),
        ("TRACE", "/v1/ops/status", {"GET", "HEAD"}),
        ("POST", "/openapi.json", {"GET", "HEAD"}),
    ],
)
async def test_a_wrong_method_is_told_all_the_right_ones(
    core: Core, method: str, path: str, allowed: set[str]
) -> None:
    answer = await ask(core, method, path)

    assert (answer.status_code, answer.json()["code"]) == (405, 104)
    assert set(answer.headers["allow"].split(", ")) == allowed


async def test_the_status_of_the_process_needs_the_scope_ops(core: Core) -> None:
    answer = await ask(core, "GET", "/v1/ops/status")

    assert (answer.status_code, answer.json()["code"]) == (403, 103)


async def test_a_foreign_conversation_is_told_from_an_unknown_one_by_nothing(core: Core) -> None:
    core.answers[GetMessage] = Unknown()

    first = await ask(core, "GET", f"{PATH}/messages/7", headers={"X-Request-Id": "same"})
    second = await ask(core, "GET", "/v1/conversations/x/messages/7", headers={"X-Request-Id": "same"})

    assert (first.status_code, first.content) == (second.status_code, second.content)
