"""`palaver tail` against the real server: two people talk while server and clients are killed, and nothing is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from storage.engine import sqlite3
from tests.ops.tail.process import Printed, TailProcess
from tests.support.rest import RestClient
from tests.support.server import Server
from tests.support.waiting import until

LINES = 40
KILLS = 2
PIPED_LINES = 100
RECOVER_EVENTS_MAX = 100
TIMEOUT_S = 60.0


class Log(Printed):
    """What successive runs of one user's tail have printed, one after the other, and the run of today."""

    def __init__(self, server: Server, user: str, conversation: str, home: Path) -> None:
        super().__init__()
        self.server = server
        self.user = user
        self.conversation = conversation
        self.home = home
        self.run: TailProcess | None = None

    async def start(self, *options: str) -> TailProcess:
        token = self.server.token(self.user)
        self.run = await TailProcess.start(
            self.conversation, self.server.url, token, *options, home=self.home, lines=self.lines
        )
        self.notices = self.run.notices
        return self.run

    async def kill(self) -> None:
        """End the run as a crash does; a line that was cut in two is printed once more by the next run."""
        if self.run is not None:
            await self.run.kill()

    async def loaded(self) -> None:
        """Wait for the first page."""
        await until(lambda: "reload" in self.types(), "the first page", TIMEOUT_S)

    async def ends_with(self, text: str) -> None:
        """Wait until this message is the newest."""
        await until(lambda: self.texts()[-1:] == [text], f"the text {text}", TIMEOUT_S)

    async def tells_own(self, texts: list[str]) -> None:
        """Wait until the user's own lines are these."""
        await until(
            lambda: [text for text in self.texts() if text.startswith(self.user)] == texts,
            f"all lines of {self.user}",
            TIMEOUT_S,
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """One server for all of them: each has a conversation of its own, and leaves it running."""
    data_dir = tmp_path_factory.mktemp("tail") / "data"
    server = await Server.start(data_dir, recover_events_max=RECOVER_EVENTS_MAX)
    yield server
    await server.close()


@pytest.fixture
async def bob(server: Server) -> AsyncIterator[RestClient]:
    async with RestClient(server.url, server.token("bob")) as bob:
        yield bob


@pytest.fixture
async def conversation(bob: RestClient) -> str:
    return await bob.create_conversation("alice")


@pytest.fixture
async def logs(server: Server, conversation: str, tmp_path: Path) -> AsyncIterator[dict[str, Log]]:
    logs = {user: Log(server, user, conversation, tmp_path / user) for user in ("alice", "bob")}
    yield logs
    for log in logs.values():
        await log.kill()


async def test_two_people_talk_and_see_each_others_changes_until_one_is_sent_away(
    logs: dict[str, Log], bob: RestClient, conversation: str
) -> None:
    alice = await logs["alice"].start()
    also_bob = await logs["bob"].start()
    alice.type("hello bob")
    await also_bob.shows("hello bob")
    also_bob.type("hello alice")
    await alice.shows("hello bob", "hello alice")
    edited = next(event["seq"] for event in alice.events if event.get("content") == "hello alice")
    await bob.edit(conversation, edited, "hello, Alice")
    await alice.shows("hello bob", "hello, Alice")
    assert alice.types().count("message") == 2
    await bob.http.post(f"/v1/conversations/{conversation}/typing")
    await bob.http.put(f"/v1/conversations/{conversation}/read", json={"seq": edited})
    await until(lambda: {"typing", "read"} <= set(alice.types()), "what passes by", TIMEOUT_S)
    response = await bob.http.delete(f"/v1/conversations/{conversation}/members/alice")
    assert response.is_success
    assert await alice.exits() == 4


async def test_a_pipe_is_sent_in_its_order(logs: dict[str, Log], bob: RestClient, conversation: str) -> None:
    alice = await logs["alice"].start("--exit-when-sent")
    lines = [f"line {number} – ü 🙂" for number in range(PIPED_LINES)]
    alice.type(*lines)
    alice.end_input()
    assert await alice.exits() == 0
    assert [message["content"] for message in await bob.messages(conversation)] == lines


async def test_nothing_is_lost_repeated_or_disordered_while_the_server_is_killed(
    server: Server, logs: dict[str, Log], bob: RestClient, conversation: str
) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    moments = random.Random(seed)
    for log in logs.values():
        await log.start()
        await log.loaded()

    async def talk(log: Log) -> None:
        for number in range(LINES):
            assert log.run is not None
            log.run.type(f"{log.user} {number}")
            await asyncio.sleep(moments.uniform(0, 0.1))

    async def kill_the_server() -> None:
        for _ in range(KILLS):
            await asyncio.sleep(moments.uniform(0.2, 1.0))
            await server.restart_after_kill()

    await asyncio.gather(*(talk(log) for log in logs.values()), kill_the_server())
    said = {log.user: [f"{log.user} {number}" for number in range(LINES)] for log in logs.values()}
    for log in logs.values():
        await log.tells_own(said[log.user])
    stored = [message["content"] for message in await bob.messages(conversation)]
    for log in logs.values():
        assert [text for text in stored if text.startswith(log.user)] == said[log.user]
        await log.shows(*stored)
        seqs = [event["seq"] for event in log.events if event["type"] == "message"]
        assert seqs == sorted(set(seqs)), "a message was shown twice or too late"
        assert log.types().count("reload") == 1


async def test_a_reader_that_is_killed_again_and_again_misses_nothing(
    server: Server, logs: dict[str, Log], bob: RestClient, conversation: str
) -> None:
    alice = logs["alice"]
    await alice.start()
    await alice.loaded()
    for number in range(2):
        await bob.send(conversation, f"live {number}")
        await alice.ends_with(f"live {number}")
        await alice.kill()
        await bob.send(conversation, f"missed {number}")
        if number:
            await server.restart_after_kill()
        await alice.start()
        await alice.ends_with(f"missed {number}")
    await alice.shows(*(message["content"] for message in await bob.messages(conversation)))
    assert alice.types().count("reload") == 1


async def test_a_line_typed_while_the_server_is_away_survives_the_reader(
    server: Server, logs: dict[str, Log], conversation: str
) -> None:
    alice = logs["alice"]
    run = await alice.start()
    await alice.loaded()
    await server.kill()
    await run.notes("trying again")
    run.type("kept")
    journal = next(alice.home.glob(".local/state/palaver/tail/*/journal.jsonl"))
    await until(lambda: b"kept" in journal.read_bytes(), "the line to be on disk")
    await alice.kill()
    await server.launch()
    await alice.start()
    await alice.shows("kept")
    assert alice.types().count("reload") == 1


async def test_an_older_copy_of_the_data_makes_those_reload_who_saw_what_is_lost(
    server: Server, logs: dict[str, Log], bob: RestClient, conversation: str, tmp_path: Path
) -> None:
    alice = await logs["alice"].start()
    await bob.send(conversation, "kept")
    await alice.shows("kept")
    database = server.data_dir / "main.db"
    with closing(sqlite3.connect(database)) as live, closing(sqlite3.connect(tmp_path / "copy")) as copy:
        live.backup(copy)
    await bob.send(conversation, "lost")
    await alice.shows("kept", "lost")
    await server.terminate()
    (tmp_path / "copy").replace(database)
    await server.launch()
    await bob.send(conversation, "new")
    await alice.shows("kept", "new")
    assert alice.types().count("reload") == 2


async def test_whoever_is_too_far_behind_reloads(
    logs: dict[str, Log], bob: RestClient, conversation: str
) -> None:
    alice = logs["alice"]
    await alice.start("--limit", "3")
    await bob.send(conversation, "seen")
    await alice.shows("seen")
    await alice.kill()
    missed = [f"missed {number}" for number in range(RECOVER_EVENTS_MAX + 1)]
    for text in missed:
        await bob.send(conversation, text)
    await alice.start("--limit", "3")
    await alice.shows(*missed[-3:])


async def test_whoever_may_not_is_told_so(server: Server, conversation: str, tmp_path: Path) -> None:
    async def exit_code(number: int, user: str, ttl: str = "24h", channel: str = conversation) -> int:
        token = server.token(user, ttl)
        tail = await TailProcess.start(channel, server.url, token, home=tmp_path / str(number))
        code = await tail.exits()
        assert tail.lines == []
        assert token not in "".join(tail.notices)
        return code

    carol, elsewhere, expired = await asyncio.gather(
        exit_code(1, "carol"),
        exit_code(2, "alice", channel="main:01900000-0000-7000-8000-000000000000"),
        exit_code(3, "alice", ttl="-1h"),
    )
    assert (carol, elsewhere, expired) == (4, 4, 3)
