"""What happens when nobody reads what is written, or it cannot be written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ops.tail.effects import Draw, Drop, Kind, Reject
from ops.tail.ending import Ending, ExitCode
from ops.tail.output import Output
from ops.tail.records import Draft, Owner
from ops.tail.state import State
from ops.tail.wire import Event


class BrokenScreen:
    """A screen that cannot be written to."""

    def __init__(self, error: OSError) -> None:
        self.error = error

    def draw(self, draw: Draw) -> None:
        raise self.error

    def drop(self, drop: Drop) -> None:
        raise self.error

    def say(self, text: str, *, passing: bool = False) -> None:
        raise self.error

    def took(self, draft: Draft) -> None:
        raise self.error

    def let_go(self, key: str) -> None:
        raise self.error

    def compose(self, text: str | None) -> None:
        raise self.error

    def refresh(self) -> None:
        raise self.error

    def finish(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (BrokenPipeError(32, "Broken pipe"), ExitCode.DONE, ""),
        (OSError(28, "No space left on device"), ExitCode.STATE, "No space left"),
    ],
)
def test_an_output_that_fails_ends_the_command(
    tmp_path: Path, error: OSError, code: ExitCode, text: str
) -> None:
    state = State(tmp_path, Owner("alice", "main:0192"))
    output = Output(BrokenScreen(error), state)
    draft = Draft("a", "one")
    acts: list[Callable[[], None]] = [
        lambda: output.show(Draw(Kind.ADDED, Event("message"))),
        lambda: output.show(Drop("e1", 0)),
        lambda: output.show(Reject(draft, 409, "key reused")),
        lambda: output.say("hello"),
        lambda: output.took(draft),
        lambda: output.let_go("a"),
        lambda: output.compose("hello"),
        output.refresh,
        output.finish,
    ]
    for act in acts:
        with pytest.raises(Ending) as ended:
            act()
        assert ended.value.code is code
        assert text in str(ended.value)
    assert output.messages_drawn == 0
    state.close()
