"""What stands below the conversation on a terminal: lines that wait, who types, how we fare, the line being typed."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.cells import chop_cells
from rich.text import Text

from ops.tail.lines import NO_TIME, clean, passing
from ops.tail.wire import Event

WAITING_MAX = 5
"""Lines that are shown waiting, the newest; of older ones only the count is."""

PASSING_S = 4.0
"""How long it is shown that somebody types or has read; whoever goes on typing says so again."""

PROMPT = "> "
DIM = "dim"


class Footer:
    """The state of those rows, for a reader called `user`; `typed` is None where nothing can be typed."""

    def __init__(self, user: str, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.typed: str | None = None
        self.notice = ""
        self._user = user
        self._clock_s = clock_s
        self._waiting: dict[str, str] = {}
        self._passing: dict[str, tuple[str, float]] = {}

    @property
    def waiting(self) -> list[str]:
        """Return the lines that wait, as they are shown."""
        return [_one_row(f"{NO_TIME} {self._user}: {line} (waiting)") for line in self._waiting.values()]

    def wait(self, key: str, line: str) -> None:
        """Show a line that waits, under its key."""
        self._waiting[key] = line

    def let_go(self, key: str) -> None:
        """Show a line no more: it is stored, or refused."""
        self._waiting.pop(key, None)

    def pass_by(self, event: Event) -> None:
        """Show for a moment what another one does."""
        if event.user != self._user and (text := passing(event)):
            self._passing[event.user] = (text, self._clock_s() + PASSING_S)

    def arrive(self, event: Event) -> None:
        """Let an event take the place of what announced it."""
        self._passing.pop(event.sender, None)
        if event.sender == self._user:
            self.let_go(event.client_message_id)

    def close(self) -> None:
        """Show nothing more."""
        self.typed = None
        self.notice = ""
        self._waiting.clear()
        self._passing.clear()

    def rows(self, width: int, height: int) -> list[Text]:
        """Return the rows, each narrower than `width`; fewer than `height`, the line being typed before all."""
        cells = max(width - 1, 1)
        rows = [Text(row, style=DIM) for line in self._waiting_lines() for row in chop_cells(line, cells)]
        rows += [_cut(line, cells) for line in self._passing_lines()]
        if self.typed is not None:
            rows += [Text(row) for row in chop_cells(PROMPT + _one_row(self.typed), cells)]
        return rows[-max(height - 1, 1) :]

    def _waiting_lines(self) -> list[str]:
        older = len(self._waiting) - WAITING_MAX
        return [*([f"… {older} more (waiting)"] if older > 0 else []), *self.waiting[-WAITING_MAX:]]

    def _passing_lines(self) -> list[str]:
        now_s = self._clock_s()
        self._passing = {user: shown for user, shown in self._passing.items() if shown[1] > now_s}
        passing_by = ", ".join(text for text, _ in self._passing.values())
        return [line for line in (passing_by, self.notice) if line]


def _one_row(text: str) -> str:
    return clean(text).replace("\n", " ").replace("\t", " ")


def _cut(line: str, cells: int) -> Text:
    row = Text(_one_row(line), style=DIM)
    row.truncate(cells, overflow="ellipsis")
    return row
