"""What a newcomer pastes works: the lines that `palaver serve` prints, the README, the tutorial, the example client."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.sdk import HERE, missing
from tests.docs.pages import DOCS, PROJECT, blocks, read
from tests.support.rest import RestClient
from tests.support.server import Server, palaver
from tests.support.waiting import until

PASTE_TIMEOUT_S = 90.0
DEFAULT_ADDRESS = "127.0.0.1:8000"
TUTORIAL = DOCS / "tutorial" / "first-conversation.md"
CLIENT_PAGE = DOCS / "how-to" / "write-a-client.md"
PACKAGES = HERE / "node_modules"

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENT_DRIVER = """
import { createInterface } from "node:readline";
import { WebSocket } from "ws";
import { openConversation } from "./client.mjs";

const chat = openConversation({
  url: process.env.URL,
  getToken: async () => process.env.TOKEN,
  conversation: process.env.CONVERSATION,
  websocket: WebSocket,
  draw: (messages) => console.log(JSON.stringify(messages)),
  refused: (draft, error) => console.log(JSON.stringify({ refused: draft.content, code: error.code })),
});
for await (const line of createInterface({ input: process.stdin })) chat.send(line);
"""


class Terminal:
    """A shell with a folder and a home of its own, beside a server."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.folder = folder
        self._server = server
        self._command = folder / "bin" / "palaver"
        self._command.parent.mkdir(parents=True)
        self._command.write_text(f'#!/bin/sh\nexec {shlex.join(palaver())} "$@"\n')
        self._command.chmod(0o700)

    async def paste(self, text: str, folder: Path | None = None) -> str:
        """Run lines as they are, and return what they print; the shell stops at the first that fails.

        They run in the terminal's own folder, if none is named.
        """
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-euo",
            "pipefail",
            "-c",
            text,
            cwd=folder or self.folder,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, complaint = await asyncio.wait_for(process.communicate(), PASTE_TIMEOUT_S)
        assert process.returncode == 0, f"{text}\n{printed.decode()}\n{complaint.decode()}"
        return printed.decode()

    def here(self, text: str) -> str:
        """Write lines of a page for this server: its address, its data, the command of these tests."""
        url = f"127.0.0.1:{self._server.port}"
        words = {
            ".venv/bin/palaver tail": f"{self._command} tail --url http://{url}",
            ".venv/bin/palaver": str(self._command),
            ".venv/bin/python": sys.executable,
            "data/": f"{self._server.data_dir}/",
            DEFAULT_ADDRESS: url,
        }
        for written, meant in words.items():
            text = text.replace(written, meant)
        return text

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PALAVER_")}
        return inherited | {
            "HOME": str(self.folder),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "PALAVER_DATA": str(self._server.data_dir),
            "PATH": f"{self._command.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The newcomer's server; it is killed and started again, and left running."""
    server = await Server.start(tmp_path_factory.mktemp("readme") / "data")
    yield server
    await server.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bob(server: Server) -> AsyncIterator[RestClient]:
    async with RestClient(server.url, server.token("bob")) as bob:
        yield bob


@pytest.fixture
def terminal(server: Server, tmp_path: Path) -> Terminal:
    return Terminal(server, tmp_path / "terminal")


async def contents(reader: RestClient, title: str) -> list[str]:
    """Return what was said in the reader's one conversation of that title."""
    items = (await reader.http.get("/v1/conversations")).json()["items"]
    [conversation] = [item["conversation_id"] for item in items if item.get("title") == title]
    return [message["content"] for message in await reader.messages(conversation)]


def greeting(server: Server) -> list[str]:
    """Return the four blocks of lines to paste that the server printed first, without their indentation."""
    printed = server.log.read_text(encoding="utf-8")
    found = re.findall(r"(?:^  .+\n)+", printed[printed.index("  export PALAVER_TOKEN=") :], re.MULTILINE)
    return [re.sub(r"^  ", "", block, flags=re.MULTILINE) for block in found[:4]]


def running(page: Path) -> list[str]:
    """Return the blocks of a page that are marked as running."""
    return [block.text for block in blocks(read(page)) if block.runs]


async def test_the_lines_that_the_server_prints_work_and_may_be_pasted_twice(
    server: Server, bob: RestClient, terminal: Terminal
) -> None:
    token, by_rest, by_socket, of_bob = greeting(server)
    of_alice = token + by_rest + by_rest + f"echo 'over the socket' | {ending(by_socket)}"
    printed = await terminal.paste(of_alice, PROJECT)
    first, again = (json.loads(line) for line in printed.splitlines()[:2])
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    export, follow = of_bob.split("\n", 1)
    shown = await terminal.paste(f"{export}\necho 'hi alice' | {ending(follow)}", PROJECT)
    assert [line.partition(": ")[2] for line in shown.splitlines()] == await contents(bob, "Hello")
    assert await contents(bob, "Hello") == ["hi bob", "over the socket", "hi alice"]


async def test_the_examples_of_the_readme_work(bob: RestClient, terminal: Terminal) -> None:
    await terminal.paste(terminal.here("\n".join(running(PROJECT / "README.md"))))
    assert await contents(bob, "Lunch") == ["hungry?", "now!", "see you there"]


async def test_the_tutorial_works_and_survives_its_kill(
    server: Server, bob: RestClient, terminal: Terminal
) -> None:
    lines = [terminal.here(text) for text in running(TUTORIAL)]
    [kill] = [place for place, text in enumerate(lines) if text.startswith("kill -9")]
    lines.insert(kill + 1, f"until curl -sf {server.url}/readyz > ready; do sleep 0.05; done\n")
    pasted = asyncio.create_task(terminal.paste("".join(lines)))
    await until(lambda: not server.alive or pasted.done(), "the server to be killed")
    assert not server.alive
    await server.launch()
    assert '"content":"hi bob"' in await pasted
    assert await contents(bob, "Our first") == ["hi bob"]


async def test_the_example_client_shows_everything_once_over_a_crash(
    server: Server, bob: RestClient, tmp_path: Path
) -> None:
    conversation = await bob.create_conversation("alice", title="Example")
    await bob.send(conversation, "before")
    environment = {"URL": server.ws_url, "TOKEN": server.token("alice"), "CONVERSATION": conversation}
    client = await Example.start(tmp_path / "client", environment)
    try:
        await client.shows("before")
        client.say("hello")
        await client.shows("before", "hello")
        await server.kill()
        client.say("said while nobody listened")
        await server.launch()
        await client.shows("before", "hello", "said while nobody listened")
        seq = (await bob.send(conversation, "helo"))["seq"]
        await bob.edit(conversation, seq, "hello too")
        await client.shows("before", "hello", "said while nobody listened", "hello too")
    finally:
        await client.close()
    assert await contents(bob, "Example") == client.shown


class Example:
    """The client of the how-to page, run by node; `drawn` is the last list that it drew."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.drawn: list[Any] = []
        self._process = process
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, folder: Path, environment: dict[str, str]) -> Example:
        """Write the page's module into a folder beside the packages that it imports, and run it."""
        node = shutil.which("node")
        if node is None or not (PACKAGES / "ws").exists():
            missing("node or the JavaScript client is missing: `make test` fetches the client")
        folder.mkdir()
        (folder / "node_modules").symlink_to(PACKAGES)
        (folder / "client.mjs").write_text(running(CLIENT_PAGE)[0], encoding="utf-8")
        (folder / "driver.mjs").write_text(CLIENT_DRIVER, encoding="utf-8")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            str(node), "driver.mjs", cwd=folder, env={**os.environ, **environment}, stdin=pipe, stdout=pipe
        )
        return cls(process)

    def say(self, line: str) -> None:
        """Let its user send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")

    @property
    def shown(self) -> list[str]:
        """Return what its user sees now."""
        return [message.get("content") for message in self.drawn]

    async def shows(self, *contents: str) -> None:
        """Wait until it shows these messages and no others."""
        await until(lambda: self.shown == list(contents), f"the example to show {contents}")

    async def close(self) -> None:
        """End it."""
        self._process.kill()
        await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.drawn = json.loads(line)


def ending(line: str) -> str:
    """Let a line that follows a conversation end by itself."""
    return f"{line.strip()} --exit-when-sent\n"
