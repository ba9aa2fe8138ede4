"""Request ids, safe headers, the line in the log: what happens around every request."""

from __future__ import annotations

import logging
import re

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from chat.commands import SendMessage
from chat.endpoints.middleware import middleware
from chat.settings import BadSetting, Settings
from tests.chat.endpoints.rest_stand import ID, PATH, Core, application, ask, client

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.mark.parametrize("given", ["r-1", "A.b_c-9", "x" * 64])
async def test_a_request_keeps_the_id_that_it_brings(core: Core, given: str) -> None:
    answer = await ask(core, "GET", PATH, headers={"X-Request-Id": given})

    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "a;b", "é", '"a"', "<a>"])
async def test_a_request_with_an_id_that_is_unfit_for_a_log_gets_another(core: Core, given: str) -> None:
    answer = await ask(core, "GET", PATH, headers={"X-Request-Id": given.encode()})

    assert UUID7.fullmatch(answer.headers["x-request-id"])


@pytest.mark.parametrize("path", [PATH, "/nothing", "/docs", "/openapi.json", "/v1/ops/status"])
async def test_every_answer_has_an_id_and_safe_headers(core: Core, path: str) -> None:
    answer = await ask(core, "GET", path)

    assert UUID7.fullmatch(answer.headers["x-request-id"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", PATH), ("GET", "/v1/nothing"), ("PUT", "/v1/conversations/x")]
)
async def test_no_cache_keeps_what_is_under_v1(core: Core, method: str, path: str) -> None:
    answer = await ask(core, method, path)

    assert answer.headers["cache-control"] == "no-store"


async def test_each_request_is_one_line_with_the_template_and_without_query_or_token(
    core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "palaver.rest")

    await ask(core, "GET", f"{PATH}/messages?before=7&token=hidden", headers={"X-Request-Id": "r-1"})

    (line,) = caplog.records
    fields = line.__dict__
    assert fields["method"] == "GET"
    assert fields["route"] == "/v1/conversations/{conversation_id}/messages"
    assert fields["status"] == 200
    assert fields["user"] == "alice"
    assert fields["request_id"] == "r-1"
    assert fields["duration_ms"] >= 0
    assert not [value for value in fields.values() if "hidden" in str(value) or ID in str(value)]
    assert "token-of-alice" not in str(fields)


async def test_what_leads_nowhere_is_logged_without_its_path(
    core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "palaver.rest")

    await ask(core, "GET", "/Bearer%20token-of-alice")

    (line,) = caplog.records
    assert (line.__dict__["route"], line.__dict__["status"]) == ("unmatched", 404)
    assert "token-of-alice" not in str(line.__dict__)


async def test_an_unexpected_error_leaves_its_traceback_in_the_log(
    core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    core.answers[SendMessage] = ZeroDivisionError("the reason")

    body = {"client_message_id": "k", "content": "hi"}
    await ask(core, "POST", f"{PATH}/messages", json=body, headers={"X-Request-Id": "r-1"})

    failure = next(record for record in caplog.records if record.exc_info)
    assert failure.exc_info is not None
    assert isinstance(failure.exc_info[1], ZeroDivisionError)
    assert failure.__dict__["request_id"] == "r-1"


async def test_an_answer_that_breaks_off_is_not_passed_off_as_whole() -> None:
    async def half(request: Request) -> Response:
        return HalfResponse("half")

    class HalfResponse(PlainTextResponse):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise ZeroDivisionError

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    app = Starlette(routes=[Route("/", half)], middleware=middleware(Settings()))
    with pytest.raises(ZeroDivisionError):
        await app(scope_of("/"), receive, send)

    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_a_client_that_leaves_while_it_sends_is_no_error(
    core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "palaver.rest")
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    headers = [(b"authorization", b"Bearer token-of-alice"), (b"content-type", b"application/json")]
    scope = scope_of(f"{PATH}/messages") | {"method": "POST", "headers": headers}
    await application(core)(scope, receive, send)

    assert (sent, core.asked) == ([], [])
    assert [record.__dict__["status"] for record in caplog.records] == [499]


async def test_a_socket_passes_through_untouched() -> None:
    seen: list[Scope] = []

    async def door(socket: WebSocket) -> None:
        seen.append(socket.scope)
        await socket.accept()
        await socket.close()

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    app = Starlette(routes=[WebSocketRoute("/socket", door)], middleware=middleware(Settings()))
    scope = scope_of("/socket") | {"type": "websocket", "subprotocols": [], "headers": [(b"origin", b"null")]}
    await app(scope, receive, send)

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[0]["headers"] == []
    assert "request_id" not in seen[0].get("state", {})


@pytest.mark.parametrize("settings", [{"allowed_origins": "nonsense"}, {"trusted_proxies": "nonsense"}])
def test_lists_that_cannot_be_read_are_refused_before_anything_is_served(settings: dict[str, str]) -> None:
    with pytest.raises(BadSetting):
        middleware(Settings(**settings))  # type: ignore[arg-type]


async def test_guesses_behind_a_trusted_proxy_are_counted_by_the_client() -> None:
    core = Core(settings=Settings(trusted_proxies="127.0.0.1"))
    for _ in range(4):
        await ask(core, "GET", PATH, token="guess", headers={"X-Forwarded-For": "203.0.113.9"})

    async with client(core, "guess") as http:
        same = await http.get(PATH, headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"})
        other = await http.get(PATH, headers={"X-Forwarded-For": "203.0.113.10"})

    assert (same.status_code, other.status_code) == (429, 401)


def scope_of(path: str) -> dict[str, object]:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8000),
        "scheme": "http",
        "root_path": "",
    }
