"""What leaves the process: events drawn, notices said, refused lines put aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ops.tail.effects import Draw, Drop, Kind, Reject
from ops.tail.ending import Ending, ExitCode
from ops.tail.records import Rejected
from ops.tail.screen import Screen
from ops.tail.state import State


class Output:
    """The screen and the file of refused lines, with a count of both; raises Ending if they fail."""

    def __init__(self, screen: Screen, state: State) -> None:
        self._screen = screen
        self._state = state
        self.messages_drawn = 0
        self.rejected_count = 0

    def show(self, effect: Draw | Drop | Reject) -> None:
        """Draw an event, drop what was drawn, or put a refused line aside."""
        with _writing():
            match effect:
                case Draw():
                    self._draw(effect)
                case Drop():
                    self._screen.drop(effect)
                case Reject():
                    self._put_aside(effect)

    def say(self, text: str) -> None:
        """Tell the person something about this program."""
        with _writing():
            self._screen.say(text)

    def took(self, line: str, *, waits: bool) -> None:
        """Show that a typed line was taken."""
        with _writing():
            self._screen.took(line, waits=waits)

    def _draw(self, draw: Draw) -> None:
        self._screen.draw(draw)
        if draw.kind is Kind.ADDED and draw.event.type == "message":
            self.messages_drawn += 1

    def _put_aside(self, effect: Reject) -> None:
        draft = effect.draft
        path = self._state.reject(
            Rejected(draft.client_message_id, draft.content, effect.code, effect.reason)
        )
        self.rejected_count += 1
        self._screen.say(
            f"a line was refused for good (error {effect.code}, {effect.reason}); it is kept in {path}"
        )


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        # Whoever read us has seen enough, as `head` does.
        raise Ending(ExitCode.DONE) from error
    except OSError as error:
        raise Ending(
            ExitCode.STATE, f"The output cannot be written ({error.strerror}): make room for it."
        ) from error
