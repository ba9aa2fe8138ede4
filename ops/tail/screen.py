"""Where events are shown: on a terminal, as plain lines for a file or a pipe, or as JSON for a program."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, TextIO

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ops.tail.effects import Draw, Drop, Kind
from ops.tail.lines import CLOCK, DATE_AND_CLOCK, changed, passing, sentence, speaker, time_of
from ops.tail.wire import Event

LINES_MAX = 1_000
"""Lines that the terminal can still change; older ones stand as they are."""

ERASE_LINE_ABOVE = "\x1b[1A\x1b[2K"


class Screen(Protocol):
    """What is drawn on. When a method returns, what it wrote has left; where it cannot, it raises OSError."""

    def draw(self, draw: Draw) -> None:
        """Show a new line, or the change of an older one."""

    def drop(self, drop: Drop) -> None:
        """Take back everything that was shown."""

    def say(self, text: str) -> None:
        """Tell the person something about this program, not about the conversation."""

    def took(self, line: str, *, waits: bool) -> None:
        """Show that a typed line was taken, and whether it has to wait for the server."""


class JsonScreen:
    """One JSON object a line, each as the server sent it; everything before a `reload` counts no more."""

    def __init__(self, conversation: str, out: TextIO, notices: TextIO) -> None:
        self._conversation = conversation
        self._out = out
        self._notices = notices

    def draw(self, draw: Draw) -> None:
        """Write the event."""
        print(draw.event.raw.decode(), file=self._out, flush=True)

    def drop(self, drop: Drop) -> None:
        """Write a `reload` object that names the new position."""
        reload = {"type": "reload", "conversation_id": self._conversation} | msgspec.structs.asdict(drop)
        print(msgspec.json.encode(reload).decode(), file=self._out, flush=True)

    def say(self, text: str) -> None:
        """Write a line to standard error."""
        print(text, file=self._notices, flush=True)

    def took(self, line: str, *, waits: bool) -> None:
        """Show nothing: the event will."""


class PlainScreen:
    """One line an event, with date and seq; a change is a line of its own."""

    def __init__(self, out: TextIO, notices: TextIO) -> None:
        self._out = out
        self._notices = notices
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

    def say(self, text: str) -> None:
        """Write a line to standard error."""
        print(text, file=self._notices, flush=True)

    def took(self, line: str, *, waits: bool) -> None:
        """Show nothing: the event will."""

    def _write(self, line: str) -> None:
        self._is_blank = False
        print(line, file=self._out, flush=True)


class TerminalScreen:
    """A terminal: a change is made in its line where that is still in sight; the title tells who types.

    `echoes` says that lines are typed on this very terminal, which shows them once before they are sent.
    """

    def __init__(self, user: str, console: Console, *, echoes: bool) -> None:
        self._user = user
        self._console = console
        self._echoes = echoes
        self._shown: deque[Event] = deque(maxlen=LINES_MAX)

    def draw(self, draw: Draw) -> None:
        """Print the event, or make its change where the message stands."""
        event = draw.event
        if draw.kind is Kind.PASSING:
            self._console.set_window_title(f"{_now()} {passing(event)}")
        elif draw.kind is not Kind.CHANGED or not self._change(event):
            self._shown.append(event)
            self._print(event)

    def drop(self, drop: Drop) -> None:
        """Empty the screen."""
        if self._shown:
            self._shown.clear()
            self._console.clear()

    def say(self, text: str) -> None:
        """Print a dim line."""
        self._console.print(Text(text, style="dim"), soft_wrap=True)

    def took(self, line: str, *, waits: bool) -> None:
        """Take the typed line away, since its event shows it again; one that has to wait is shown as such."""
        if self._echoes and cell_len(line) < self._console.width:
            self._console.file.write(ERASE_LINE_ABOVE)
            self._console.file.flush()
        if waits:
            self.say(f"(waits for the server) {line}")

    def _change(self, change: Event) -> bool:
        """Change the message's line; tell whether it was in sight."""
        for place, event in enumerate(self._shown):
            if event.type == "message" and event.seq == change.about:
                self._shown[place] = changed(event, change)
                return self._repaint(place)
        return False

    def _repaint(self, place: int) -> bool:
        in_sight = list(self._shown)[-max(self._console.height - 2, 1) :]
        if place < len(self._shown) - len(in_sight):
            return False
        self._console.clear()
        for event in in_sight:
            self._print(event)
        return True

    def _print(self, event: Event) -> None:
        said = Text(sentence(event), style="" if event.type == "message" else "dim")
        if event.type == "message":
            said.stylize("bold green" if event.sender == self._user else "bold cyan", 0, len(speaker(event)))
        line = Text.assemble((time_of(event, CLOCK), "dim"), " ", said)
        self._console.print(line, soft_wrap=True, highlight=False)


def _now() -> str:
    # A title stays for as long as nothing else happens, so it says of when it is.
    return datetime.now(UTC).astimezone().strftime(CLOCK)


def screen_for(
    conversation: str, user: str, out: TextIO, notices: TextIO, *, json: bool, echoes: bool
) -> Screen:
    """Return the screen for where the output goes."""
    choices: dict[tuple[bool, bool], Callable[[], Screen]] = {
        (False, False): lambda: PlainScreen(out, notices),
        (False, True): lambda: TerminalScreen(user, Console(file=out), echoes=echoes),
    }
    return choices.get((json, out.isatty()), lambda: JsonScreen(conversation, out, notices))()
