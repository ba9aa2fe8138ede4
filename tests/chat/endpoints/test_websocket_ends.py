"""How connections end on a server of one's own: slow readers, shutdown, a writer that reopens, and foreign pages."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.client import ReplyError, SocketClient
from tests.support.ports import LOOPBACK
from tests.support.scene import Scene, draft, refused
from tests.support.server import Server
from tests.support.waiting import until_awaited

UNAVAILABLE = 503
FAT = "x" * 40_000
FRAME_BYTES_MAX = 64 * 1024
SHUTDOWN_MAX_S = 8.0
TIMEOUT_S = 60.0


async def scene_on(tmp_path: Path, **settings: Any) -> Scene:
    """Start a server, and set a scene on it."""
    return Scene(await Server.start(tmp_path / "data", **settings))


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Scene]:
    """A scene on a server that keeps little for those who do not read."""
    async with await scene_on(
        tmp_path, outbox_bytes_max=4 * FRAME_BYTES_MAX, send_buffer_bytes=16_384, slow_close_s=0.3
    ) as scene:
        yield scene
    await scene.server.close()


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Scene]:
    """A scene on a server of its own."""
    async with await scene_on(
        tmp_path, allowed_origins="https://chat.example.org", write_retry_s=0.05
    ) as scene:
        yield scene
    await scene.server.close()


async def test_a_reader_that_does_not_read_is_cut_off_and_nobody_else_notices(narrow: Scene) -> None:
    alice, carol = await narrow.enter("alice"), await narrow.enter("carol")
    conversation = await narrow.converse(alice, "bob", "carol")
    slow = await narrow.raw("bob", sock=_small_socket(narrow.server.port), max_queue=1)
    await slow.say({"id": 2, "subscribe": {"channel": conversation}})
    await slow.replies(1)
    slow.stop_reading()
    await alice.subscribe(conversation, join_leave=True)
    await carol.subscribe(conversation)
    count = 60
    for number in range(count):
        await alice.send(conversation, str(number), FAT)
        for listener in (alice, carol):  # who reads is never far behind
            await listener.feed(conversation).wait(number + 1, TIMEOUT_S)
    for listener in (alice, carol):
        assert listener.feed(conversation).offsets == list(range(1, count + 1))
    left = await alice.feed(conversation).wait_other("leave")
    assert left["info"]["user"] == narrow.user("bob")
    assert await slow.ended(TIMEOUT_S) in (3008, 1006, None)


async def test_a_slow_reader_comes_back_and_recovers_what_he_missed(narrow: Scene) -> None:
    alice = await narrow.enter("alice")
    conversation = await narrow.converse(alice, "bob")
    epoch = (await alice.send(conversation, "first", "first"))["epoch"]
    slow = await narrow.raw("bob", sock=_small_socket(narrow.server.port), max_queue=1)
    await slow.say({"id": 2, "subscribe": {"channel": conversation}})
    await slow.replies(1)
    slow.stop_reading()
    for number in range(12):
        await alice.send(conversation, str(number), FAT)
    await slow.ended(TIMEOUT_S)
    bob = await narrow.enter("bob")
    result = await bob.subscribe(conversation, recover=True, epoch=epoch, offset=1)
    assert result["recovered"]
    assert bob.feed(conversation).offsets == list(range(2, 14))


async def test_a_burst_is_gathered_into_frames_of_at_most_64_kib(plain: Scene) -> None:
    alice, bob = await plain.enter("alice"), await plain.enter("bob")
    conversation = await plain.converse(alice, "bob")
    await bob.subscribe(conversation)
    bob.keep_frames = True
    count = 400
    await asyncio.gather(
        *(
            alice.begin("rpc", {"method": "send", "data": draft(conversation, str(number), "x" * 2_000)})
            for number in range(count)
        )
    )
    await bob.feed(conversation).wait(count, TIMEOUT_S)
    assert bob.feed(conversation).offsets == list(range(1, count + 1))
    sizes = [len(frame.encode()) for frame in bob.frames]
    assert max(sizes) <= FRAME_BYTES_MAX
    assert len(sizes) < count / 2


async def test_shutdown_says_3001_to_all_and_loses_no_ack(plain: Scene) -> None:
    people = [await plain.enter(f"person-{number}") for number in range(20)]
    conversation = await plain.converse(people[0], *(f"person-{number}" for number in range(1, 20)))
    sending = [
        person.begin("rpc", {"method": "send", "data": draft(conversation, f"{index}-{number}")})
        for index, person in enumerate(people)
        for number in range(20)
    ]
    await sending[0]
    started_s = time.monotonic()
    assert await plain.server.terminate() == 0
    assert time.monotonic() - started_s < SHUTDOWN_MAX_S
    outcomes = await asyncio.gather(*sending, return_exceptions=True)
    assert {await person.wait_closed() for person in people} == {3001}
    acked = {outcome["data"]["seq"] for outcome in outcomes if isinstance(outcome, dict)}
    await plain.server.launch()
    first = await plain.enter("person-0")
    result = await first.subscribe(conversation, recover=True, epoch="", offset=0)
    assert acked <= {publication["offset"] for publication in result["publications"]}


async def test_a_writer_that_reopens_ends_subscriptions_with_2500_and_recovery_heals_them(
    plain: Scene,
) -> None:
    alice, bob = await plain.enter("alice"), await plain.enter("bob")
    conversation = await plain.converse(alice, "bob")
    await bob.subscribe(conversation)
    first = await alice.send(conversation, "1", "before")
    await bob.feed(conversation).wait(1)
    database, aside = plain.server.data_dir / "main.db", plain.server.data_dir / "aside.db"
    database.rename(aside)
    refusal = await refused(alice.send(conversation, "2", "meanwhile"))
    assert (refusal.code, refusal.temporary) == (503, True)
    assert [
        item["seq"] for item in (await bob.rpc("history", {"conversation_id": conversation}))["items"]
    ] == [1]
    aside.rename(database)
    second = await until_awaited(lambda: _sent(alice, conversation), "writing to be on again")
    assert (await bob.feed(conversation).wait_other("unsubscribe"))["code"] == 2500
    result = await bob.subscribe(conversation, recover=True, epoch=first["epoch"], offset=1)
    assert result["recovered"]
    assert bob.feed(conversation).offsets[:2] == [1, second["seq"]]
    await alice.send(conversation, "3", "after")
    await bob.feed(conversation).wait(3)
    assert bob.feed(conversation).contents == ["before", "meanwhile", "after"]


@pytest.mark.parametrize(
    ("origin", "is_let_in"),
    [
        ("https://chat.example.org", True),
        ("HTTPS://CHAT.EXAMPLE.ORG:443", True),
        ("own", True),
        ("https://evil.example.org", False),
        ("https://chat.example.org.evil.org", False),
        ("https://chat.example.org@evil.org", False),
        ("https://chat.example.org:444", False),
        ("http://chat.example.org", False),
        ("https://chat.example.org/", False),
        ("null", False),
        ("", False),
    ],
)
async def test_pages_connect_only_from_origins_on_the_list(
    origins: Server, origin: str, is_let_in: bool
) -> None:
    header = f"http://{LOOPBACK}:{origins.port}" if origin == "own" else origin
    client = SocketClient(origins.ws_url, origins.token("alice"))
    if is_let_in:
        await client.open(additional_headers={"Origin": header})
        assert (await client.command("connect", {"token": client.token}))["client"]
        await client.close()
        return
    with pytest.raises(Exception, match="403") as refusal:
        await client.open(additional_headers={"Origin": header})
    assert isinstance(refusal.value.__cause__, InvalidStatus)


@pytest.fixture(scope="module")
def origins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one foreign origin on its list."""
    folder = tmp_path_factory.mktemp("origins") / "data"
    server = asyncio.run(Server.start(folder, allowed_origins="https://chat.example.org"))
    yield server
    asyncio.run(server.close())


async def _sent(alice: SocketClient, conversation: str) -> dict[str, Any] | None:
    try:
        return await alice.send(conversation, "2", "meanwhile")
    except ReplyError as error:
        if error.code != UNAVAILABLE:
            raise
        return None


def _small_socket(port: int) -> socket.socket:
    """Open a connection whose kernel takes little for a program that does not read."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    opened.connect((LOOPBACK, port))
    opened.setblocking(False)
    return opened


async def test_a_channel_of_the_token_survives_a_writer_that_reopens(plain: Scene) -> None:
    alice = await plain.enter("alice")
    conversation = await plain.converse(alice, "bob")
    socket = await plain.raw()
    token = plain.token("bob", channels=[conversation])
    await socket.say({"id": 1, "connect": {"token": token}})
    assert conversation in (await socket.replies(1))[0]["connect"]["subs"]
    database = plain.server.data_dir / "main.db"
    aside = database.with_suffix(".aside")
    database.rename(aside)
    assert (await refused(alice.rpc("send", draft(conversation, "k")))).code == UNAVAILABLE
    aside.rename(database)
    assert await socket.ended() == 3010
