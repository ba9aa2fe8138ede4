"""`palaver tail` before a person: on a real terminal, with a server that goes away and comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest

from tests.ops.tail.history import CONVERSATION
from tests.ops.tail.server import TailServer
from tests.ops.tail.terminal import TailTerminal

TOKEN = jwt.encode({"sub": "alice"}, "a secret that nobody here needs to know", "HS256")
ENTER, CONTROL_C, CONTROL_D, CONTROL_U, CONTROL_Z = "\r", "\x03", "\x04", "\x15", "\x1a"
TYPING = {"type": "typing", "conversation_id": CONVERSATION, "user": "bob"}


@pytest.fixture
async def server() -> AsyncIterator[TailServer]:
    async with TailServer() as server:
        yield server


@pytest.fixture
async def terminal(server: TailServer, tmp_path: Path) -> AsyncIterator[TailTerminal]:
    terminal = await TailTerminal.start(CONVERSATION, server.url, TOKEN, home=tmp_path)
    yield terminal
    await terminal.close()


async def test_what_is_typed_stays_in_sight_while_events_come_and_the_server_goes_and_comes(
    server: TailServer, terminal: TailTerminal
) -> None:
    await terminal.shows(lambda rows: rows == ["Hello (group) — alice — connected", "> "], "the first line")
    terminal.press("half")
    await server.post("one")
    await terminal.shows(lambda rows: "bob: one" in rows[-2] and rows[-1] == "> half", "both")
    await server.say({"push": {"channel": CONVERSATION, "pub": {"data": TYPING}}})
    await terminal.shows(lambda rows: rows[-2:] == ["bob is typing …", "> half"], "who types")

    await server.stop()
    await terminal.shows(lambda rows: "not connected: the connection broke" in rows, "the loss")
    terminal.press(f" a line{ENTER}next")
    await terminal.shows(
        lambda rows: "--:-- alice: half a line (waiting)" in rows and rows[-1] == "> next", "the line"
    )
    await server.start()
    await terminal.shows(is_back_with_the_line, "the stored line")
    assert [row.content for row in server.history.rows] == ["one", "half a line"]

    # There is no shell that could make it go on, so it must not stop.
    terminal.press(f"{CONTROL_Z}!")
    await terminal.shows(lambda rows: rows[-1] == "> next!", "the line after Ctrl-Z")
    assert not terminal.edits_lines_itself()
    terminal.press(f"{CONTROL_U}{CONTROL_D}")
    await terminal.shows(lambda rows: not rows[-1].startswith(">"), "the end of the input")
    terminal.press(CONTROL_C)
    assert await terminal.exits() == 0
    assert terminal.edits_lines_itself()


def is_back_with_the_line(rows: list[str]) -> bool:
    """Tell whether the line stands where it was stored, and waits no more, and the next one is not disturbed."""
    is_stored = any(row.endswith("alice: half a line") for row in rows)
    waits = any("waiting" in row for row in rows)
    return is_stored and not waits and "connected again" in rows and rows[-1] == "> next"
