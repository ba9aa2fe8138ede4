"""`palaver tail`, as a process of its own or as a task, with what it printed and what it is told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from io import StringIO
from pathlib import Path
from typing import Any

from ops.tail.ending import Ending, ExitCode
from ops.tail.follower import Follower, Wish
from ops.tail.output import Output
from ops.tail.records import Owner
from ops.tail.screen import JsonScreen
from ops.tail.state import State
from ops.tail.token import Token
from ops.tail.typed import typed_lines
from tests.support.server import PROJECT, palaver
from tests.support.waiting import until

TIMEOUT_S = 60.0
CLOSED = -1
Json = dict[str, Any]


class Printed:
    """What a tail in JSON has printed so far: `lines` on standard output, `notices` on standard error."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notices: list[str] = []

    @property
    def events(self) -> list[Json]:
        return [json.loads(line) for line in self.lines]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def texts(self) -> list[str]:
        """Return the messages that count: those since the last reload, with their edits made."""
        texts: dict[int, str] = {}
        for event in self.events:
            match event["type"]:
                case "reload":
                    texts.clear()
                case "message":
                    texts[event["seq"]] = event.get("content", "[deleted]")
                case "message.edited" | "message.deleted" | "message.restored":
                    texts[event["message_seq"]] = event.get("content", "[deleted]")
        return [texts[seq] for seq in sorted(texts)]

    async def shows(self, *texts: str) -> None:
        """Wait until these texts, and no others, count."""
        try:
            await until(lambda: self.texts() == list(texts), f"the texts {texts}", TIMEOUT_S)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.lines}\n{self.notices}") from error

    async def notes(self, text: str) -> None:
        """Wait until standard error has this."""
        await until(lambda: any(text in notice for notice in self.notices), f"the notice {text!r}", TIMEOUT_S)


class TailProcess(Printed):
    """One running `palaver tail`."""

    def __init__(self, process: asyncio.subprocess.Process, lines: list[str] | None = None) -> None:
        super().__init__()
        self.lines = [] if lines is None else lines
        self._process = process
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            asyncio.ensure_future(_gather(process.stdout, self.lines)),
            asyncio.ensure_future(_gather(process.stderr, self.notices)),
        ]

    @classmethod
    async def start(
        cls,
        conversation: str,
        url: str,
        token: str,
        *options: str,
        home: Path,
        lines: list[str] | None = None,
    ) -> TailProcess:
        """Start `palaver tail` in JSON, unless the options end with `--plain`; it prints to the end of `lines`."""
        form = options[:-1] if options[-1:] == ("--plain",) else (*options, "--json")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PALAVER_")}
        process = await asyncio.create_subprocess_exec(
            *palaver("tail", conversation, "--url", url, *form),
            cwd=PROJECT,
            env=inherited | {"PALAVER_TOKEN": token, "HOME": str(home)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1024 * 1024,
        )
        return cls(process, lines)

    @property
    def pid(self) -> int:
        return self._process.pid

    def type(self, *lines: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())

    def end_input(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def exits(self) -> int:
        """Wait for the end of the process and of what it printed; return its exit code."""
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*self._readers)
            code = await self._process.wait()
        self.end_input()
        return code

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def kill(self) -> None:
        """End it as a crash does, if it still runs."""
        if self._process.returncode is None:
            self._process.kill()
        await self.exits()


class TailTask(Printed):
    """The same without a process of its own: all of it but the command line."""

    def __init__(self, wish: Wish, token: Token, folder: Path) -> None:
        super().__init__()
        self._state = State(folder, Owner(token.user, wish.conversation))
        self._typed, self._typing = os.pipe()
        screen = JsonScreen(wish.conversation, Lines(self.lines), Lines(self.notices))
        follower = Follower(wish, token, self._state, Output(screen, self._state))
        self._task = asyncio.ensure_future(follower.run(typed_lines(self._typed)))

    def type(self, *lines: str) -> None:
        os.write(self._typing, "".join(f"{line}\n" for line in lines).encode())

    def end_input(self) -> None:
        if self._typing != CLOSED:
            os.close(self._typing)
            self._typing = CLOSED

    async def ends(self) -> ExitCode:
        """Wait for the end; return its exit code and leave its text among the notices."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._task
        except Ending as ending:
            self.notices.append(str(ending))
            return ending.code
        finally:
            self._close()
        raise AssertionError("it ended without an ending")

    async def kill(self) -> None:
        """Stop it where it is, if it still runs."""
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        self._close()

    def _close(self) -> None:
        if self._typed != CLOSED:
            self.end_input()
            os.close(self._typed)
            self._typed = CLOSED
            self._state.close()


class Lines(StringIO):
    """A text stream whose lines land in a list."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def write(self, text: str) -> int:
        if text != "\n":
            self._lines.append(text)
        return len(text)


async def _gather(stream: asyncio.StreamReader, lines: list[str]) -> None:
    # What a killed process left without its end is no line.
    while (line := await stream.readline()).endswith(b"\n"):
        lines.append(line.decode().rstrip("\n"))
