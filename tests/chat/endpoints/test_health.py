from __future__ import annotations

from dataclasses import dataclass, field

import httpx2
import pytest
from starlette.applications import Starlette

from chat.endpoints.health import health_routes
from chat.endpoints.problems import exception_handlers
from chat.errors import Unauthorized
from chat.health import PartHealth
from chat.limits import TokenBuckets
from chat.models import User
from chat.settings import Settings
from tests.support.server import Server

LOOPBACK = "127.0.0.1"
ELSEWHERE = "203.0.113.9"
OPS_TOKEN = "token-of-ops"
ALICE_TOKEN = "token-of-alice"
TEXT = b"palaver_connections 0.0\n"


class Doorkeeper:
    """Knows two tokens."""

    async def authenticate(self, token: str) -> User:
        if token == OPS_TOKEN:
            return User("olga", frozenset({"ops"}))
        if token == ALICE_TOKEN:
            return User("alice", frozenset({"assistant"}))
        raise Unauthorized


@dataclass
class Core:
    """As much of the core as these routes look at."""

    parts: list[PartHealth] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    authenticator: Doorkeeper = field(default_factory=Doorkeeper)
    logins: TokenBuckets = field(default_factory=lambda: TokenBuckets(10, 100))
    asked: list[str] = field(default_factory=list)
    verified_ms: int = 0

    def health(self) -> list[PartHealth]:
        return self.parts

    def last_verified_restore_ms(self) -> int:
        return self.verified_ms

    def exposition(self, accept: str) -> tuple[str, bytes]:
        self.asked.append(accept)
        return "text/plain; version=0.0.4; charset=utf-8", TEXT


@pytest.fixture
def core() -> Core:
    return Core()


async def get(core: Core, path: str, client: str = LOOPBACK, **headers: str) -> httpx2.Response:
    app = Starlette(routes=health_routes(), exception_handlers=exception_handlers())
    app.state.core = core
    transport = httpx2.ASGITransport(app, client=(client, 50000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://palaver") as http:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await http.get(path, headers=given)


def writer(part: str = "writer of main", ok: bool = True, reason: str = "", since_ms: int = 0) -> PartHealth:
    return PartHealth(part, ok, reason, since_ms)


async def test_a_process_whose_loop_runs_is_alive_even_when_nothing_else_works(core: Core) -> None:
    core.parts = [writer(ok=False, reason="disk full")]

    answer = await get(core, "/livez", client=ELSEWHERE)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_ready_needs_no_token_and_names_every_part(core: Core) -> None:
    core.parts = [writer()]

    answer = await get(core, "/readyz", client=ELSEWHERE)

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "parts": [{"part": "writer of main", "ok": True, "reason": "", "since_ms": 0, "critical": True}],
        "last_verified_restore_ms": 0,
    }
    assert answer.headers["content-type"] == "application/json"


async def test_ready_tells_when_a_restore_was_last_verified(core: Core) -> None:
    core.verified_ms = 1_790_000_000_000

    assert (await get(core, "/readyz")).json()["last_verified_restore_ms"] == 1_790_000_000_000


async def test_it_is_not_ready_while_writes_fail_and_says_why_and_since_when(core: Core) -> None:
    core.parts = [writer(ok=False, reason="database or disk is full", since_ms=1_790_000_000_000)]

    answer = await get(core, "/readyz")

    assert answer.status_code == 503
    assert answer.json()["status"] == "failing"
    assert answer.json()["parts"][0]["reason"] == "database or disk is full"
    assert answer.json()["parts"][0]["since_ms"] == 1_790_000_000_000


async def test_a_part_without_which_writes_go_on_only_degrades(core: Core) -> None:
    core.parts = [writer(), PartHealth("replication", ok=False, reason="replica is down", critical=False)]

    answer = await get(core, "/readyz")

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")


async def test_one_failing_writer_among_several_is_enough_to_fail(core: Core) -> None:
    core.parts = [writer(), writer(part="writer of ada", ok=False), PartHealth("x", ok=False, critical=False)]

    assert (await get(core, "/readyz")).status_code == 503


async def test_a_server_without_parts_is_ready(core: Core) -> None:
    assert (await get(core, "/readyz")).json()["status"] == "ok"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_no_answer_is_stored_on_its_way(core: Core, path: str) -> None:
    assert (await get(core, path)).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
async def test_metrics_are_open_to_this_machine(core: Core, client: str) -> None:
    answer = await get(core, "/metrics", client=client, accept="application/openmetrics-text")

    assert (answer.status_code, answer.content) == (200, TEXT)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert core.asked == ["application/openmetrics-text"]


@pytest.mark.parametrize("client", [ELSEWHERE, "10.0.0.7", "2001:db8::1", "unix"])
async def test_metrics_want_a_token_from_everybody_else(core: Core, client: str) -> None:
    answer = await get(core, "/metrics", client=client)

    assert (answer.status_code, answer.json()["name"]) == (401, "unauthorized")
    assert core.asked == []


async def test_metrics_want_the_scope_and_not_just_any_token(core: Core) -> None:
    answer = await get(core, "/metrics", client=ELSEWHERE, authorization=f"Bearer {ALICE_TOKEN}")

    assert (answer.status_code, answer.json()["name"]) == (403, "permission_denied")


async def test_metrics_are_given_for_a_token_of_ops(core: Core) -> None:
    answer = await get(core, "/metrics", client=ELSEWHERE, authorization=f"Bearer {OPS_TOKEN}")

    assert (answer.status_code, answer.content) == (200, TEXT)


async def test_a_token_in_the_address_is_not_looked_at(core: Core) -> None:
    answer = await get(core, f"/metrics?token={OPS_TOKEN}", client=ELSEWHERE)

    assert answer.status_code == 401


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip", "via"])
async def test_what_a_proxy_on_this_machine_hands_on_is_not_local(core: Core, header: str) -> None:
    answer = await get(core, "/metrics", **{header: LOOPBACK})

    assert answer.status_code == 401


async def test_an_address_that_a_trusted_proxy_names_counts_and_not_the_proxys(core: Core) -> None:
    core.settings = Settings(trusted_proxies="10.0.0.0/8")

    answer = await get(core, "/metrics", client="10.0.0.7", x_forwarded_for=ELSEWHERE)

    assert answer.status_code == 401


async def test_nobody_can_claim_to_be_local(core: Core) -> None:
    core.settings = Settings(trusted_proxies="10.0.0.0/8")

    answer = await get(core, "/metrics", client="10.0.0.7", x_forwarded_for=LOOPBACK)

    assert answer.status_code == 401


@pytest.mark.asyncio(loop_scope="module")
async def test_a_running_server_is_alive_ready_and_measured(shared_server: Server) -> None:
    async with httpx2.AsyncClient(base_url=shared_server.url, trust_env=False) as http:
        alive, ready, metrics = [await http.get(path) for path in ("/livez", "/readyz", "/metrics")]

    assert (alive.status_code, ready.status_code, metrics.status_code) == (200, 200, 200)
    assert ready.json()["status"] == "ok"
    assert 'palaver_writer_up{file="main.db"} 1.0' in metrics.text
    assert 'palaver_generation{file="main.db"} 1.0' in metrics.text
