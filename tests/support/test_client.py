"""The raw client reads frames as they come, keeps the order of the wire, and says how a connection ended."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.client import DisconnectedError, ReplyError, SocketClient
from tests.support.fake import EPOCH, FakeServer
from tests.support.waiting import until


@pytest.fixture
async def fake() -> AsyncIterator[FakeServer]:
    async with FakeServer() as server:
        yield server


async def test_it_connects_subscribes_sends_and_receives_what_it_sent(fake: FakeServer) -> None:
    async with SocketClient(fake.ws_url, "token") as alice:
        await alice.subscribe("room")
        ack = await alice.send("room", "k1", "hello")
        await alice.feed("room").wait(1)
    assert ack == {"seq": 1, "epoch": EPOCH, "conversation_id": "room", "duplicate": False}
    assert alice.feed("room").contents == ["hello"]


async def test_several_commands_may_be_under_way_at_once(fake: FakeServer) -> None:
    async with SocketClient(fake.ws_url, "token") as alice:
        drafts = [{"conversation_id": "room", "content": "x", "client_message_id": f"k{n}"} for n in range(9)]
        under_way = [alice.begin("rpc", {"method": "send", "data": draft}) for draft in drafts]
        assert [(await answer)["data"]["seq"] for answer in under_way] == list(range(1, 10))


async def test_it_takes_several_replies_from_one_frame() -> None:
    seen: list[tuple[str, str]] = []
    client = SocketClient("ws://unused", "token", lambda channel, kind, _: seen.append((channel, kind)))
    client._take(
        '{"push":{"channel":"a","pub":{"offset":1,"data":{}}}}\n{"push":{"channel":"b","pub":{"data":{}}}}\n'
        '{"push":{"channel":"b","unsubscribe":{"code":2000,"reason":"no"}}}'
    )
    assert seen == [("a", "pub"), ("b", "pub"), ("b", "unsubscribe")]
    assert client.feed("a").offsets == [1]
    assert len(client.feed("b").ephemeral) == 1


async def test_recovered_publications_come_before_the_live_ones(fake: FakeServer) -> None:
    for text in ("one", "two", "three"):
        fake.publish("room", {"content": text})
    async with SocketClient(fake.ws_url, "token") as alice:
        result = await alice.subscribe("room", recover=True, epoch=EPOCH, offset=1)
        fake.publish("room", {"content": "four"})
        await alice.feed("room").wait(3)
    assert result["recovered"] is True
    assert alice.feed("room").offsets == [2, 3, 4]


async def test_an_error_of_the_server_is_raised_with_its_code(fake: FakeServer) -> None:
    async with SocketClient(fake.ws_url, "token") as alice:
        with pytest.raises(ReplyError) as refused:
            await alice.subscribe("forbidden")
    assert (refused.value.code, refused.value.temporary) == (102, False)


async def test_a_lost_connection_fails_what_is_under_way_and_what_comes_after(fake: FakeServer) -> None:
    async with SocketClient(fake.ws_url, "token") as alice:
        answer = alice.begin("rpc", {"method": "none"})
        await fake.drop()
        with pytest.raises((DisconnectedError, ReplyError)):
            await answer
        await alice.wait_closed()
        with pytest.raises(DisconnectedError):
            await alice.rpc("send", {})
    assert alice.closed


async def test_nobody_at_the_port_is_a_disconnect_too(fake: FakeServer) -> None:
    await fake.stop()
    with pytest.raises(DisconnectedError):
        await SocketClient(fake.ws_url, "token").connect()
    await fake.start()


async def test_a_ping_is_answered_unless_told_otherwise(fake: FakeServer) -> None:
    async with SocketClient(fake.ws_url, "token") as alice:
        fake.ping()
        await until(lambda: fake.pongs == 1, "a pong")
        alice.answer_pings = False
        fake.ping()
        await until(lambda: alice.pings == 2, "the second ping")
    assert fake.pongs == 1


async def test_waiting_for_what_does_not_come_says_what_it_waited_for() -> None:
    with pytest.raises(TimeoutError, match=r"waited 0.05 s for the moon; last saw \[\]"):
        await until(list, "the moon", timeout_s=0.05)
