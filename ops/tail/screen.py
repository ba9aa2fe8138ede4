"""Where events are shown: on a terminal, as plain lines for a file or a pipe, or as JSON for a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TextIO

import msgspec
from rich.console import Console

from ops.tail.effects import Draw, Drop, Kind
from ops.tail.footer import Footer
from ops.tail.lines import DATE_AND_CLOCK, sentence, time_of
from ops.tail.records import Draft
from ops.tail.terminal import TerminalScreen


class Screen(Protocol):
    """What is drawn on. When a method returns, what it wrote has left; where it cannot, it raises OSError."""

    def draw(self, draw: Draw) -> None:
        """Show a new line, or the change of an older one."""

    def drop(self, drop: Drop) -> None:
        """Take back everything that was shown."""

    def say(self, text: str, *, passing: bool = False) -> None:
        """Tell the person something about this program; what is `passing` holds until the next notice."""

    def took(self, draft: Draft) -> None:
        """Show that a typed line was taken and waits to be stored."""

    def let_go(self, key: str) -> None:
        """Show the line of this key as waiting no more: it was acked, or refused for good."""

    def compose(self, text: str | None) -> None:
        """Show the line that is being typed; None where nothing can be typed."""

    def refresh(self) -> None:
        """Let go of what has passed; called about once a second."""

    def finish(self) -> None:
        """Leave the screen to whoever comes next."""


class Unattended:
    """What a screen does that nobody types on: notices go to standard error, the rest is for a person."""

    def __init__(self, notices: TextIO) -> None:
        self._notices = notices

    def say(self, text: str, *, passing: bool = False) -> None:
        """Write a line to standard error."""
        print(text, file=self._notices, flush=True)

    def took(self, draft: Draft) -> None:
        """Show nothing: the event will."""

    def let_go(self, key: str) -> None:
        """Show nothing."""

    def compose(self, text: str | None) -> None:
        """Show nothing: the terminal does."""

    def refresh(self) -> None:
        """Change nothing."""

    def finish(self) -> None:
        """Change nothing."""


class JsonScreen(Unattended):
    """One JSON object a line, each as the server sent it; everything before a `reload` counts no more."""

    def __init__(self, conversation: str, out: TextIO, notices: TextIO) -> None:
        self._conversation = conversation
        super().__init__(notices)
        self._out = out

    def draw(self, draw: Draw) -> None:
        """Write the event."""
        print(draw.event.raw.decode(), file=self._out, flush=True)

    def drop(self, drop: Drop) -> None:
        """Write a `reload` object that names the new position."""
        reload = {"type": "reload", "conversation_id": self._conversation} | msgspec.structs.asdict(drop)
        print(msgspec.json.encode(reload).decode(), file=self._out, flush=True)


class PlainScreen(Unattended):
    """One line an event, with date and seq; a change is a line of its own."""

    def __init__(self, out: TextIO, notices: TextIO) -> None:
        super().__init__(notices)
        self._out = out
        self._is_blank = True

    def draw(self, draw: Draw) -> None:
        """Write the event as a line."""
        event = draw.event
        if draw.kind is not Kind.PASSING:
            self._write(f"{time_of(event, DATE_AND_CLOCK)} #{event.seq} {sentence(event)}")

    def drop(self, drop: Drop) -> None:
        """Say that the conversation begins anew, unless nothing was shown yet."""
        if not self._is_blank:
            self._write("--- what stands above may be out of date; the conversation once more: ---")

    def _write(self, line: str) -> None:
        self._is_blank = False
        print(line, file=self._out, flush=True)


def screen_for(conversation: str, user: str, out: TextIO, notices: TextIO, *, json: bool) -> Screen:
    """Return the screen for where the output goes; a terminal that cannot move its cursor is a mere file."""
    console = Console(file=out)
    is_terminal = out.isatty() and not console.is_dumb_terminal
    choices: dict[tuple[bool, bool], Callable[[], Screen]] = {
        (False, False): lambda: PlainScreen(out, notices),
        (False, True): lambda: TerminalScreen(user, console, Footer(user)),
    }
    return choices.get((json, is_terminal), lambda: JsonScreen(conversation, out, notices))()
