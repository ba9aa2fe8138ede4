"""`palaver tail` as a process of its own: its command line, its folder, its signals and its exit codes."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest

from tests.ops.tail_history import CONVERSATION
from tests.ops.tail_process import TailProcess
from tests.ops.tail_server import TailServer, refuses
from tests.support.waiting import until

SECRET = "a secret that nobody here needs to know"
TOKEN = jwt.encode({"sub": "alice"}, SECRET, "HS256")


@pytest.fixture
async def server() -> AsyncIterator[TailServer]:
    async with TailServer() as server:
        yield server


class Tails:
    """Starts the command again and again for the same home, and leaves none running."""

    def __init__(self, server: TailServer, home: Path) -> None:
        self.server = server
        self.home = home
        self._started: list[TailProcess] = []

    async def start(self, *options: str, conversation: str = CONVERSATION, token: str = TOKEN) -> TailProcess:
        tail = await TailProcess.start(conversation, self.server.url, token, *options, home=self.home)
        self._started.append(tail)
        return tail

    async def run(self, *options: str, typed: tuple[str, ...] = (), **others: str) -> tuple[int, TailProcess]:
        """Run it with an input that ends, and return its exit code."""
        tail = await self.start(*options, **others)
        tail.type(*typed)
        tail.end_input()
        return await tail.exits(), tail

    async def close(self) -> None:
        for tail in self._started:
            await tail.kill()


@pytest.fixture
async def tails(server: TailServer, tmp_path: Path) -> AsyncIterator[Tails]:
    tails = Tails(server, tmp_path)
    yield tails
    await tails.close()


async def test_it_goes_on_after_it_was_killed_itself_with_what_it_was_about_to_send(
    server: TailServer, tails: Tails
) -> None:
    first = await tails.start()
    await server.post("one")
    await first.shows("one")
    await server.stop()
    first.type("three")
    journal = next(tails.home.glob(".local/state/palaver/tail/*/journal.jsonl"))
    await until(lambda: b"three" in journal.read_bytes(), "the line to be on disk")
    await first.kill()
    server.history.post("bob", "k", "two")
    await server.start()
    second = await tails.start()
    await second.shows("two", "three")
    assert "reload" not in second.types()


async def test_a_pipe_is_sent_and_the_command_ends(server: TailServer, tails: Tails) -> None:
    lines = tuple(f"line {number}" for number in range(300))
    code, _ = await tails.run("--exit-when-sent", typed=lines)
    assert code == 0
    assert [row.content for row in server.history.rows] == list(lines)


async def test_refused_lines_are_put_aside_and_tell_in_the_exit_code(
    server: TailServer, tails: Tails
) -> None:
    server.faults["send"].append(refuses(409, "key reused"))
    code, tail = await tails.run("--exit-when-sent", typed=("bad", "x" * 70_000, "good"))
    assert code == 7
    assert [row.content for row in server.history.rows] == ["good"]
    path = next(tails.home.glob(".local/state/palaver/tail/*/rejected.jsonl"))
    refused = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["content"][:3], line["code"]) for line in refused] == [("bad", 409), ("xxx", 413)]
    assert any(str(path) in notice for notice in tail.notices)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_without_a_word(
    server: TailServer, tails: Tails, number: signal.Signals
) -> None:
    tail = await tails.start()
    await server.post("one")
    await tail.shows("one")
    tail.send_signal(number)
    assert await tail.exits() == 0
    assert tail.notices == []


async def test_a_signal_ends_it_while_the_server_is_away(server: TailServer, tails: Tails) -> None:
    await server.stop()
    tail = await tails.start()
    await tail.notes("cannot be reached")
    tail.send_signal(signal.SIGTERM)
    assert await tail.exits() == 0


async def test_a_second_one_on_the_same_folder_is_refused_with_the_pid_of_the_first(
    server: TailServer, tails: Tails
) -> None:
    first = await tails.start()
    await server.post("one")
    await first.shows("one")
    code, second = await tails.run()
    assert code == 5
    assert f"pid {first.pid}" in second.notices[0]
    code, _ = await tails.run("--exit-when-sent", "--state", str(tails.home / "other"))
    assert code == 0


async def test_another_user_has_a_folder_of_his_own(server: TailServer, tails: Tails) -> None:
    first = await tails.start()
    await server.post("one")
    await first.shows("one")
    bob = jwt.encode({"sub": "bob"}, SECRET, "HS256")
    code, second = await tails.run("--exit-when-sent", token=bob)
    assert code == 0
    assert second.texts() == ["one"]


async def test_an_unknown_conversation_ends_it(tails: Tails) -> None:
    code, tail = await tails.run(conversation="main:nowhere")
    assert code == 4
    assert "main:nowhere" in tail.notices[0]


async def test_plain_lines_name_the_seq(server: TailServer, tails: Tails) -> None:
    await server.post("one")
    code, tail = await tails.run("--exit-when-sent", "--plain")
    assert code == 0
    (line,) = tail.lines
    assert line.endswith(" #1 bob: one")


async def test_without_a_token_it_says_how_to_get_one(tails: Tails) -> None:
    code, tail = await tails.run(token="")
    assert code == 3
    assert "palaver token" in tail.notices[0]
