"""CORS: which pages may call REST from a browser, and read what it answers."""

from __future__ import annotations

import pytest

from chat.commands import SendMessage
from chat.settings import Settings
from tests.chat.endpoints.rest_stand import PATH, Core, ask

LISTED = "https://chat.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


async def test_a_listed_origin_may_read_the_answer() -> None:
    core = Core(settings=Settings(allowed_origins=LISTED))

    answer = await ask(core, "GET", PATH, headers={"Origin": LISTED})

    assert answer.headers["access-control-allow-origin"] == LISTED
    assert "ETag" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "https://chat.example.evil.test"])
async def test_another_origin_may_not_read_it(origin: str) -> None:
    core = Core(settings=Settings(allowed_origins=LISTED))

    answer = await ask(core, "GET", PATH, headers={"Origin": origin})

    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "Origin"


async def test_errors_can_be_read_by_a_listed_origin_too() -> None:
    core = Core(settings=Settings(allowed_origins=LISTED))
    core.answers[SendMessage] = ZeroDivisionError()

    for path, body in (("/nothing", {}), (f"{PATH}/messages", {"client_message_id": "k"})):
        answer = await ask(core, "POST", path, json=body, headers={"Origin": LISTED})
        assert answer.headers["access-control-allow-origin"] == LISTED


async def test_with_a_star_everybody_may() -> None:
    core = Core(settings=Settings(allowed_origins="*"))

    answer = await ask(core, "GET", PATH, headers={"Origin": "https://anything.test"})

    assert answer.headers["access-control-allow-origin"] == "*"
    assert "vary" not in answer.headers


async def test_a_preflight_of_a_listed_origin_is_answered_without_a_token() -> None:
    core = Core(settings=Settings(allowed_origins=LISTED))

    answer = await ask(
        core, "OPTIONS", f"{PATH}/messages", token=None, headers=PREFLIGHT | {"Origin": LISTED}
    )

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == LISTED
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    for name in ("Authorization", "Content-Type", "Idempotency-Key", "If-Match"):
        assert name in answer.headers["access-control-allow-headers"]
    assert int(answer.headers["access-control-max-age"]) > 0


async def test_a_preflight_of_another_origin_is_refused() -> None:
    core = Core(settings=Settings(allowed_origins=LISTED))

    answer = await ask(core, "OPTIONS", PATH, token=None, headers=PREFLIGHT | {"Origin": "https://evil.test"})

    assert (answer.status_code, answer.json()["code"]) == (403, 103)
    assert "access-control-allow-origin" not in answer.headers


async def test_the_servers_own_pages_may_always_call_it(core: Core) -> None:
    answer = await ask(core, "GET", PATH, headers={"Origin": "http://palaver.test"})

    assert answer.headers["access-control-allow-origin"] == "http://palaver.test"
