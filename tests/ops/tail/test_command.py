"""`palaver tail` as a process of its own: its command line, its folder, its signals and its exit codes."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from tests.ops.tail.history import CONVERSATION
from tests.ops.tail.process import TailProcess
from tests.ops.tail.server import TailServer

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

    async def start(self, *options: str, token: str = TOKEN) -> TailProcess:
        tail = await TailProcess.start(CONVERSATION, self.server.url, token, *options, home=self.home)
        self._started.append(tail)
        return tail

    async def run(self, *options: str, **others: str) -> tuple[int, TailProcess]:
        """Run it with an input that has ended, and return its exit code."""
        tail = await self.start(*options, **others)
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


async def test_a_signal_ends_it_without_a_word(server: TailServer, tails: Tails) -> None:
    tail = await tails.start()
    await server.post("one")
    await tail.shows("one")
    tail.send_signal(signal.SIGTERM)
    assert await tail.exits() == 0
    assert tail.notices == []


async def test_ctrl_c_ends_it_while_the_server_is_away(server: TailServer, tails: Tails) -> None:
    await server.stop()
    tail = await tails.start()
    await tail.notes("cannot be reached")
    tail.send_signal(signal.SIGINT)
    assert await tail.exits() == 0


async def test_each_folder_has_one_reader_and_each_user_a_folder_of_his_own(
    server: TailServer, tails: Tails
) -> None:
    first = await tails.start()
    await server.post("one")
    await first.shows("one")
    code, second = await tails.run()
    assert code == 5
    assert f"pid {first.pid}" in second.notices[0]
    bob = jwt.encode({"sub": "bob"}, SECRET, "HS256")
    code, third = await tails.run("--exit-when-sent", "--plain", token=bob)
    assert code == 0
    (line,) = third.lines
    assert line.endswith(" #1 bob: one")


def test_without_a_token_it_says_how_to_get_one() -> None:
    ended = CliRunner().invoke(app, ["tail", CONVERSATION], env={"PALAVER_TOKEN": ""})
    assert ended.exit_code == 3
    assert "palaver token" in ended.stderr


def test_the_settings_say_where_the_server_is_unless_an_option_does(tmp_path: Path) -> None:
    def ended(*options: str) -> Result:
        environment = {"PALAVER_TOKEN": TOKEN, "PALAVER_HOST": "::", "PALAVER_PORT": "0"}
        return CliRunner().invoke(
            app, ["tail", CONVERSATION, "--state", str(tmp_path), *options], env=environment
        )

    assert "http://[::1]:0 is no address" in ended().stderr
    assert "http://elsewhere:0 is no address" in ended("--url", "http://elsewhere:0").stderr
