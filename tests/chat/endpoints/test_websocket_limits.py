"""Times and rates over the real socket, with settings so small that they are reached."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.client import SocketClient
from tests.support.scene import Scene, refused
from tests.support.server import Server
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

BURST = 40
GUESSES = 10
LONG_S = 15.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hurried_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server whose patience is short."""
    server = await Server.start(
        tmp_path_factory.mktemp("hurried") / "data",
        connect_timeout_s=0.3,
        ping_interval_s=0.3,
        pong_timeout_s=0.3,
        expired_grace_s=0.3,
        jwt_leeway_s=0,
        command_rate_per_s=4,
        command_burst=BURST,
    )
    yield server
    await server.close()


@pytest_asyncio.fixture(loop_scope="module")
async def scene(hurried_server: Server) -> AsyncIterator[Scene]:
    async with Scene(hurried_server) as opened:
        yield opened


async def test_a_socket_without_a_connect_is_closed_with_3502(scene: Scene) -> None:
    assert await (await scene.raw()).ended() == 3502


async def test_a_client_that_answers_pings_stays_and_one_that_does_not_is_closed_with_3012(
    scene: Scene,
) -> None:
    attentive, deaf = scene.client("alice"), scene.client("bob")
    deaf.answer_pings = False
    assert (await attentive.connect())["ping"] == 1
    await deaf.connect()
    assert await deaf.wait_closed() == 3012
    await until(lambda: attentive.pings > 3, "four pings")
    assert not attentive.closed
    await attentive.close()


async def test_a_pong_without_a_ping_is_ignored(scene: Scene) -> None:
    socket = await scene.raw("alice")
    await socket.say("{}", "{}\n{}", {"id": 2, "ping": {}})
    assert await socket.replies(1) == [{"id": 2, "ping": {}}]


async def test_a_token_that_has_expired_is_told_so_and_may_be_replaced(scene: Scene) -> None:
    client = scene.client("alice")
    await client.open()
    refusal = await refused(client.command("connect", {"token": scene.token("alice", "-1s")}))
    assert (refusal.code, refusal.temporary) == (109, False)
    assert (await client.command("connect", {"token": scene.token("alice")}))["client"]
    await client.close()


@pytest.mark.parametrize("bad", ["", "x", "a.b.c", "\u00e9", "x" * 10_000, "foreign", "none", "channel"])
async def test_a_token_that_is_no_good_closes_with_3500(scene: Scene, bad: str) -> None:
    good = scene.token("alice")
    tokens = {
        "foreign": good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"),
        "none": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.",
        "channel": scene.token("alice", channel="main:x"),
    }
    socket = await scene.raw()
    await socket.say({"id": 1, "connect": {"token": tokens.get(bad, bad)}})
    assert await socket.ended() == 3500


async def test_a_connection_ends_with_its_token_unless_it_is_refreshed(scene: Scene) -> None:
    staying, leaving = scene.client("alice"), scene.client("bob")
    for client, name in ((staying, "alice"), (leaving, "bob")):
        client.token = scene.token(name, "1s")
        result = await client.connect()
        assert (result["expires"], result["ttl"]) == (True, 1)
    refreshed = await staying.command("refresh", {"token": scene.token("alice")})
    assert refreshed["expires"]
    assert refreshed["ttl"] > 3_000
    assert await leaving.wait_closed() == 3005
    await asyncio.wait_for(staying.command("ping", {}), LONG_S)
    refusal = await refused(staying.command("refresh", {"token": scene.token("alice", "-1s")}))
    assert refusal.code == 109
    staying.begin("refresh", {"token": scene.token("bob")}).add_done_callback(lambda done: done.exception())
    assert await staying.wait_closed() == 3500


async def test_a_subscription_ends_with_its_token_and_not_with_that_of_an_earlier_one(scene: Scene) -> None:
    alice, bob = await scene.enter("alice"), await scene.enter("bob")
    kept, ended = [await scene.converse(alice, "bob") for _ in range(2)]
    for conversation in (kept, ended):
        token = scene.token("bob", "1s", channel=conversation)
        result = await bob.subscribe(conversation, token=token)
        assert (result["expires"], result["ttl"]) == (True, 1)
    await bob.unsubscribe(kept)
    await bob.subscribe(kept)
    assert (await bob.feed(ended).wait_other("unsubscribe"))["code"] == 2501
    await alice.send(kept, "k", "hi")
    await bob.feed(kept).wait(1)
    assert bob.feed(kept).others == []


async def test_a_subscription_token_is_for_one_user_and_one_channel_and_can_be_refreshed(
    scene: Scene,
) -> None:
    alice, bob = await scene.enter("alice"), await scene.enter("bob")
    conversation = await scene.converse(alice, "bob")
    other = await scene.converse(alice, "bob")
    for token in (scene.token("alice", channel=conversation), scene.token("bob", channel=other)):
        assert (await refused(bob.subscribe(conversation, token=token))).code == 103
    assert (await refused(bob.subscribe(conversation, token="x"))).code == 101
    expired = scene.token("bob", "-1s", channel=conversation)
    assert (await refused(bob.subscribe(conversation, token=expired))).code == 109
    await bob.subscribe(conversation, token=scene.token("bob", "2s", channel=conversation))
    result = await bob.command(
        "sub_refresh", {"channel": conversation, "token": scene.token("bob", channel=conversation)}
    )
    assert result["ttl"] > 3_000
    refusal = await refused(bob.command("sub_refresh", {"channel": other, "token": "x"}))
    assert refusal.code == 102


async def test_too_many_commands_of_one_user_are_refused_over_all_his_connections(scene: Scene) -> None:
    first, second, other = await scene.enter("eve"), await scene.enter("eve"), await scene.enter("alice")
    answers = [(first, second)[number % 2].begin("ping", {}) for number in range(BURST)]
    answers += [first.begin("rpc", {"method": "conversations"}) for _ in range(BURST)]
    outcomes = await asyncio.gather(*answers, return_exceptions=True)
    codes = [getattr(outcome, "code", 0) for outcome in outcomes]
    assert set(codes) == {0, 111}
    assert BURST - 5 <= codes.count(0) <= BURST + 10
    assert all(getattr(outcome, "temporary", True) for outcome in outcomes)
    assert await other.command("ping", {}) == {}


async def test_too_many_refused_tokens_are_turned_away(tmp_path: Path) -> None:
    # A server of its own: from this address it lets nobody in any more.
    server = await Server.start(tmp_path / "data", login_rate_per_s=0.1, login_burst=GUESSES)
    codes = []
    try:
        for _ in range(2 * GUESSES):
            client = SocketClient(server.ws_url, "x")
            await client.open()
            client.begin("connect", {"token": "x"}).add_done_callback(lambda done: done.exception())
            codes.append(await client.wait_closed())
    finally:
        await server.close()
    assert codes[:GUESSES] == [3500] * GUESSES
    assert codes[-1] == 3013
