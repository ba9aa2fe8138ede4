"""The tutorial of a disaster is replayed as it is written, on a real S3 store, with a client that looks on."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.acceptance.operator_shell import OperatorShell, section, shape
from tests.docs.pages import DOCS, Block
from tests.ops.tail.process import TailProcess
from tests.support.rest import RestClient
from tests.support.s3 import KEY_ID, SECRET, S3Server
from tests.support.server import PROJECT, Server, palaver
from tests.support.waiting import until

PAGE = DOCS / "tutorial" / "a-disaster.md"
STORE = "A store beside the machine"
START = "Start, and say something"
LOSS = "Lose the machine"
REWIND = "Take it back to 14:03"
DELETED = "One deleted conversation"
BEGUN = ["reload"]
"""What a tail without a place to go on from begins with."""

LOG_BYTES_MAX = 1 << 20
END_TIMEOUT_S = 90.0


class Disaster:
    """One operator, one server on the folder `data` of a clone, and Bob who looks on."""

    def __init__(self, folder: Path, words: dict[str, str]) -> None:
        self.data = folder / "data"
        # As `make run` has it: a folder that is named relatively.
        relative = os.path.relpath(self.data, PROJECT)
        self.server = Server(
            self.data, palaver("serve"), {"data": relative, "replica": f"{relative}/replica"}
        )
        folder.mkdir()
        address = f"127.0.0.1:{self.server.port}"
        self.shell = OperatorShell(folder, self.server.port, {"127.0.0.1:8000": address, **words})
        self.bob: TailProcess | None = None
        self._shown: list[str] = []

    async def follow(self, heading: str) -> list[str]:
        """Do what stands below a heading; returns what each of its commands printed.

        A block of text is what the block of commands before it must have printed.
        """
        printed: list[str] = []
        for block in section(PAGE, heading):
            if block.language == "text":
                assert shape(block.text) in shape(printed[-1]), printed[-1]
            elif block.runs:
                if "--in-place" in block.text:
                    assert await self.server.interrupt() == 0  # Ctrl-C, as the page says before it
                printed.append(await self.shell.paste(block.text))
            elif block.text.startswith("make run"):
                printed.append(await self._make_run(block))
        return printed

    async def listen(self) -> TailProcess:
        """Let Bob look on, from where he was."""
        exported = await self.shell.exported("CONVERSATION")
        token, home = self.server.token("bob"), self.shell.folder / "bob"
        self.bob = await TailProcess.start(
            exported["CONVERSATION"], self.server.url, token, home=home, lines=self._shown
        )
        return self.bob

    async def contents(self) -> list[str]:
        """Return what stands in the conversation."""
        conversation = (await self.shell.exported("CONVERSATION"))["CONVERSATION"]
        async with RestClient(self.server.url, self.server.token("alice")) as alice:
            return [each["content"] for each in await alice.messages(conversation)]

    async def close(self) -> None:
        """Leave nothing running."""
        if self.bob is not None:
            await self.bob.kill()
        await self.server.close()

    async def _make_run(self, block: Block) -> str:
        """Start the server, with what was exported; where its machine was lost, wait for its refusal instead."""
        await until(lambda: not self.server.alive, "the end of the server that ran before", END_TIMEOUT_S)
        replica = await self.shell.exported("PALAVER_REPLICA")
        settings = {name.removeprefix("PALAVER_").lower(): value for name, value in replica.items()}
        options = block.text.partition("ARGS=")[2].split()
        self.server.set_up(palaver("serve", *options), **settings)
        before, refuses = len(self.server.tail(LOG_BYTES_MAX)), self._is_lost() and not options
        self.server.spawn()
        if refuses:
            await until(lambda: not self.server.alive, "the server to refuse to begin empty", END_TIMEOUT_S)
        else:
            await self.server.ready()
        return self.server.tail(LOG_BYTES_MAX)[before:]

    def _is_lost(self) -> bool:
        """Tell whether this machine has served, and its folder is gone."""
        return self.server.log.exists() and not self.data.exists()


@asynccontextmanager
async def disaster(folder: Path, words: dict[str, str]) -> AsyncIterator[Disaster]:
    scene = Disaster(folder, words)
    try:
        yield scene
    finally:
        await scene.close()


async def test_the_tutorial_of_a_disaster_is_as_it_is_written(tmp_path: Path) -> None:
    store = await S3Server.start(tmp_path / "store")
    words = {
        "127.0.0.1:9000": store.endpoint.removeprefix("http://"),
        "KEY_ID=palaver": f"KEY_ID={KEY_ID}",
        "for-this-tutorial-alone": SECRET,
    }
    try:
        async with disaster(tmp_path / "clone", words) as scene:
            await scene.follow(STORE)
            await scene.follow(START)
            await _lost_and_restored(scene)
            await _taken_back_and_brought_back(scene)
    finally:
        store.close()


async def _lost_and_restored(scene: Disaster) -> None:
    bob = await scene.listen()
    await bob.shows("all quiet")
    await scene.follow(LOSS)
    bob.type("who is there?")
    await bob.shows("all quiet", "who is there?")
    assert await scene.contents() == ["all quiet", "who is there?"]
    assert bob.types() == [*BEGUN, "message", "message"]


async def _taken_back_and_brought_back(scene: Disaster) -> None:
    assert scene.bob is not None
    await scene.follow(REWIND)
    await scene.bob.shows("all quiet", "who is there?", "still quiet")
    assert scene.bob.types().count("reload") == len(BEGUN) + 1
    assert (await scene.contents())[-1] == "still quiet"
    await scene.follow(DELETED)
    assert await scene.bob.exits() != 0
    bob = await scene.listen()
    await bob.shows("all quiet", "who is there?", "still quiet", "good night")
    assert (await scene.contents())[-1] == "good night"
