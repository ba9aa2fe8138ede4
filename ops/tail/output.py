"""What leaves the process: events drawn, notices said, refused lines put aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ops.tail.effects import Draw, Drop, Kind, Reject
from ops.tail.ending import Ending, ExitCode
from ops.tail.records import Draft, Rejected
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

    def say(self, text: str, *, passing: bool = False) -> None:
        """Tell the person something about this program; what is `passing` holds until the next notice."""
        with _writing():
            self._screen.say(text, passing=passing)

    def took(self, draft: Draft) -> None:
        """Show that a typed line was taken and waits."""
        with _writing():
            self._screen.took(draft)

    def let_go(self, key: str) -> None:
        """Show that a line waits no more."""
        with _writing():
            self._screen.let_go(key)

    def compose(self, text: str | None) -> None:
        """Show the line that is being typed."""
        with _writing():
            self._screen.compose(text)

    def refresh(self) -> None:
        """Let go of what has passed."""
        with _writing():
            self._screen.refresh()

    def finish(self) -> None:
        """Leave the screen."""
        with _writing():
            self._screen.finish()

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
