"""Floods: whoever asks too much, or guesses tokens, is slowed down alone, and by the address that he really has."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.client import SocketClient
from tests.support.ports import LOOPBACK
from tests.support.rest import RestClient
from tests.support.scene import Scene
from tests.support.server import Server

BURST, RATE_PER_S = 50, 30
GUESSES = 5
GUESSES_PER_S = 0.1
TOO_MANY, UNAUTHORIZED, SLOW_DOWN = 429, 401, 111
SLOWED_DOWN, BAD_TOKEN = 3013, 3500
HERE = "here"
"""Stands for the conversation of whoever floods."""

PIPELINED = 200
SENDS = 12
LATENCY_MAX_S = 0.5
"""What the other's sends may take while the flood lasts: far above what they take, far below what hurts."""


def serving(folder: Path, **settings: Any) -> Iterator[Server]:
    """Serve from `folder` with a limit on guesses that is soon reached."""
    start = Server.start(folder, login_burst=GUESSES, login_rate_per_s=GUESSES_PER_S, **settings)
    server = asyncio.run(start)
    yield server
    asyncio.run(server.close())


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that soon has had enough, of one user and of one address."""
    folder = tmp_path_factory.mktemp("strict") / "data"
    yield from serving(folder, command_burst=BURST, command_rate_per_s=RATE_PER_S)


@pytest.fixture(scope="module")
def proxied_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that believes what this machine says about addresses."""
    yield from serving(tmp_path_factory.mktemp("proxied") / "data", trusted_proxies=LOOPBACK)


@pytest.fixture
async def strict(strict_server: Server) -> AsyncIterator[Scene]:
    """People of this test's own on the strict server."""
    async with Scene(strict_server) as opened:
        yield opened


@pytest.fixture
async def behind_a_proxy(proxied_server: Server) -> AsyncIterator[Scene]:
    """People of this test's own on the server behind a proxy."""
    async with Scene(proxied_server) as opened:
        yield opened


async def guess(scene: Scene, forwarded_for: str = "") -> httpx2.Response:
    """Try REST with a token that is none."""
    headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
    async with RestClient(scene.server.url, "a.b.c") as rest:
        return await rest.http.get("/v1/conversations", headers=headers)


async def guess_over_the_socket(scene: Scene, **headers: str) -> int | None:
    """Try the socket with a token that is none; return the close code."""
    socket = await scene.raw(additional_headers={name.replace("_", "-"): headers[name] for name in headers})
    await socket.say({"id": 1, "connect": {"token": "a.b.c"}})
    return await socket.ended()


async def latencies(client: SocketClient, conversation: str) -> list[float]:
    """Send one message after the other at a rate that is allowed; return how long each took, in seconds."""
    took = []
    for number in range(SENDS):
        started_s = time.perf_counter()
        await client.send(conversation, str(number), "steady")
        took.append(time.perf_counter() - started_s)
        await asyncio.sleep(1 / RATE_PER_S)
    return took


def assert_bearable(took: list[float]) -> None:
    """The sends of somebody else went on, and were not slow."""
    assert len(took) == SENDS
    assert statistics.median(took) < LATENCY_MAX_S
    assert max(took) < 4 * LATENCY_MAX_S


@pytest.mark.parametrize(
    "command",
    [
        {"rpc": {"method": "send", "data": {"conversation_id": HERE, "client_message_id": "k"}}},
        {"rpc": {"method": "nonsense", "data": {}}},
        {"rpc": {"method": "send", "data": {"nonsense": 1}}},
        {"subscribe": {"channel": 7}},
    ],
    ids=["sends", "unknown methods", "wrong data", "wrong commands"],
)
async def test_a_flood_over_the_socket_is_refused_and_nobody_else_feels_it(
    strict: Scene, command: dict[str, object]
) -> None:
    mallory, bob = await strict.enter("mallory"), await strict.enter("bob")
    hers, his = await strict.converse(mallory), await strict.converse(bob)
    ((kind, body),) = json.loads(json.dumps(command).replace(HERE, hers)).items()
    steady = asyncio.create_task(latencies(bob, his))
    started_s = time.monotonic()
    outcomes: list[object] = []
    while not steady.done():
        under_way = [mallory.begin(kind, body) for _ in range(PIPELINED)]
        outcomes += await asyncio.gather(*under_way, return_exceptions=True)
    lasted_s = time.monotonic() - started_s

    refusals = [outcome for outcome in outcomes if getattr(outcome, "code", 0) == SLOW_DOWN]
    assert all(getattr(refusal, "temporary", False) for refusal in refusals)
    assert len(outcomes) - len(refusals) <= BURST + RATE_PER_S * lasted_s + 1
    assert len(refusals) > BURST
    assert_bearable(await steady)


async def test_a_flood_over_rest_is_429_with_retry_after_and_nobody_else_feels_it(strict: Scene) -> None:
    bodies: list[dict[str, object]] = [{"client_message_id": "k", "content": "x"}, {"nonsense": 1}]
    bob = await strict.enter("bob")
    his = await strict.converse(bob)
    async with RestClient(strict.server.url, strict.token("mallory")) as rest:
        hers = f"/v1/conversations/{await rest.create_conversation()}/messages"
        started_s = time.monotonic()
        sending = [rest.http.post(hers, json=bodies[number % 2]) for number in range(3 * BURST)]
        answers, took = await asyncio.gather(asyncio.gather(*sending), latencies(bob, his))
        lasted_s = time.monotonic() - started_s

    refused = [answer for answer in answers if answer.status_code == TOO_MANY]
    assert len(answers) - len(refused) <= BURST + RATE_PER_S * lasted_s + 1
    assert len(refused) > BURST
    for answer in refused:
        assert (answer.json()["code"], answer.json()["temporary"]) == (SLOW_DOWN, True)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert_bearable(took)


async def test_an_address_that_guesses_tokens_is_turned_away_whatever_it_says_it_is(strict: Scene) -> None:
    bob = await strict.enter("bob")

    by_rest = [(await guess(strict, f"203.0.113.{number}")).status_code for number in range(2 * GUESSES)]
    after = await guess(strict, "198.51.100.1, 203.0.113.99")
    by_socket = await guess_over_the_socket(
        strict, X_Forwarded_For="203.0.113.100", Forwarded="for=203.0.113.7"
    )

    assert by_rest[0] == UNAUTHORIZED
    assert by_rest[GUESSES + 2 :] == [TOO_MANY] * (GUESSES - 2)
    assert after.status_code == TOO_MANY
    assert int(after.headers["retry-after"]) >= 1
    assert by_socket == SLOWED_DOWN
    assert await bob.command("ping", {}) == {}


async def test_whoever_shares_the_guessers_address_and_has_a_token_comes_in_by_every_door(
    strict: Scene,
) -> None:
    while (await guess(strict)).status_code != TOO_MANY:
        pass

    async with RestClient(strict.server.url, strict.token("bob")) as rest:
        assert (await rest.http.get("/v1/conversations")).status_code == 200
    bob = await strict.enter("bob")
    assert await bob.command("ping", {}) == {}


async def test_behind_a_trusted_proxy_guesses_count_for_the_client_that_it_names(
    behind_a_proxy: Scene,
) -> None:
    guesser, forged = "203.0.113.9", "198.51.100.{}, 203.0.113.9"

    codes = [(await guess(behind_a_proxy, forged.format(n))).status_code for n in range(2 * GUESSES)]

    assert codes[:GUESSES] == [UNAUTHORIZED] * GUESSES
    assert codes[-1] == TOO_MANY
    assert await guess_over_the_socket(behind_a_proxy, X_Forwarded_For=guesser) == SLOWED_DOWN
    assert await guess_over_the_socket(behind_a_proxy, X_Forwarded_For="203.0.113.10") == BAD_TOKEN
    assert (await guess(behind_a_proxy, "203.0.113.11")).status_code == UNAUTHORIZED
