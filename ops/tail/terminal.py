"""The conversation on a terminal: changes in their lines, and below it what waits and what is being typed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from ops.tail.effects import Draw, Drop, Kind
from ops.tail.footer import DIM, Footer
from ops.tail.lines import CLOCK, changed, clean, sentence, speaker, time_of
from ops.tail.records import Draft
from ops.tail.wire import Event

LINES_MAX = 1_000
"""Lines that the terminal can still change; older ones stand as they are."""

WHOLE_LINE = 2
ERASE_LINE = (ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, WHOLE_LINE))
ERASE_LINE_ABOVE = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, WHOLE_LINE))


class TerminalScreen:
    """A terminal: a change is made in its line where that is still in sight; the footer stays below all."""

    def __init__(self, user: str, console: Console, footer: Footer) -> None:
        self._user = user
        self._console = console
        self._footer = footer
        self._shown: deque[Event | Text] = deque(maxlen=LINES_MAX)
        self._drawn: list[Text] = []
        self._drawn_width = console.width

    def draw(self, draw: Draw) -> None:
        """Print the event, or make its change where the message stands; what passes by is for the footer."""
        event = draw.event
        if draw.kind is Kind.PASSING:
            self._footer.pass_by(event)
            self.refresh()
            return
        with self._above_the_footer():
            self._footer.arrive(event)
            if draw.kind is not Kind.CHANGED or not self._change(event):
                self._append(event)

    def drop(self, drop: Drop) -> None:
        """Empty the screen of the conversation; what was said of this program stays."""
        said = [entry for entry in self._shown if isinstance(entry, Text)]
        if len(said) < len(self._shown):
            self._shown.clear()
            with self._above_the_footer():
                self._console.clear()
                for entry in said:
                    self._append(entry)

    def say(self, text: str, *, passing: bool = False) -> None:
        """Print a dim line, or put it into the footer until the next one."""
        self._footer.notice = text if passing else ""
        if passing:
            self.refresh()
        else:
            with self._above_the_footer():
                self._append(Text(clean(text), style=DIM))

    def took(self, draft: Draft) -> None:
        """Show the line as waiting."""
        self._footer.wait(draft.client_message_id, draft.content)
        self.refresh()

    def let_go(self, key: str) -> None:
        """Show a line as waiting no more; the server takes lines again."""
        self._footer.let_go(key)
        self._footer.notice = ""
        self.refresh()

    def compose(self, text: str | None) -> None:
        """Show the line that is being typed."""
        self._footer.typed = text
        with self._above_the_footer():
            pass

    def refresh(self) -> None:
        """Draw the footer anew if it, or the terminal's size, has changed."""
        if self._rows() != self._drawn or self._console.width != self._drawn_width:
            with self._above_the_footer():
                pass

    def finish(self) -> None:
        """Leave the lines that still wait in sight, and nothing else of the footer."""
        with self._above_the_footer():
            for line in self._footer.waiting:
                self._append(Text(line, style=DIM))
            self._footer.close()

    @contextmanager
    def _above_the_footer(self) -> Iterator[None]:
        """Take the footer away, write, and draw it again, in one write."""
        with self._console:
            self._erase_footer()
            yield
            self._drawn, self._drawn_width = self._rows(), self._console.width
            self._console.print(Text("\n").join(self._drawn), end="", soft_wrap=True, highlight=False)

    def _rows(self) -> list[Text]:
        return self._footer.rows(self._console.width, self._console.height)

    def _erase_footer(self) -> None:
        # A terminal that became narrower has wrapped the rows.
        wrapped = sum(max(cell_len(row.plain) - 1, 0) // self._console.width for row in self._drawn)
        above = max(len(self._drawn) - 1, 0) + wrapped
        # With the keyboard ours, the line holds what was typed before it was, if anything.
        if self._drawn or self._footer.typed is not None:
            self._console.control(Control(*ERASE_LINE, *(ERASE_LINE_ABOVE * above)))

    def _change(self, change: Event) -> bool:
        """Change the message's line; tell whether it was in sight."""
        for place, entry in enumerate(self._shown):
            if isinstance(entry, Event) and entry.type == "message" and entry.seq == change.about:
                self._shown[place] = changed(entry, change)
                return self._repaint(place)
        return False

    def _repaint(self, place: int) -> bool:
        in_sight = list(self._shown)[-max(self._console.height - 2 - len(self._rows()), 1) :]
        if place < len(self._shown) - len(in_sight):
            return False
        self._console.clear()
        for entry in in_sight:
            self._print(entry)
        return True

    def _append(self, entry: Event | Text) -> None:
        self._shown.append(entry)
        self._print(entry)

    def _print(self, entry: Event | Text) -> None:
        line = entry if isinstance(entry, Text) else self._line(entry)
        self._console.print(line, soft_wrap=True, highlight=False)

    def _line(self, event: Event) -> Text:
        said = Text(sentence(event), style="" if event.type == "message" else DIM)
        if event.type == "message":
            said.stylize("bold green" if event.sender == self._user else "bold cyan", 0, len(speaker(event)))
        return Text.assemble((time_of(event, CLOCK), DIM), " ", said)
