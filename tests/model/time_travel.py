"""The machine of time travel: all of the histories, and files swapped by hand, ledgers waived, parts brought back."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.model.asks import CONVERSATIONS, HELD_MAX
from tests.model.machine import Histories
from tests.model.world import Synchronous

STEPS_MAX = 9  # the last kill comes after the last step, which is none

_CHOICE = st.integers(0, HELD_MAX)
_WHERE = st.integers(0, CONVERSATIONS - 1)
_SYNCHRONOUS = st.sampled_from(("full", "normal"))
_RETURNING = st.lists(_CHOICE, max_size=6)


class TimeTravel(Histories):
    """What only people with access to the disk do."""

    @precondition(lambda self: self.copies)
    @rule(chosen=_CHOICE, clean=st.booleans(), synchronous=_SYNCHRONOUS, returning=_RETURNING)
    def swap(self, chosen: int, clean: bool, synchronous: Synchronous, returning: list[int]) -> None:
        """Put a copy in the file's place by hand, while nothing runs, and say nothing."""
        self.do(self.world.close() if clean else self.world.crash())
        self.world.swap(*self.copies[chosen % len(self.copies)])
        self.start(synchronous, returning)

    @precondition(lambda self: self.copies)
    @rule(chosen=_CHOICE, synchronous=_SYNCHRONOUS, returning=_RETURNING)
    def restore_and_waive(self, chosen: int, synchronous: Synchronous, returning: list[int]) -> None:
        """Restore a copy so that what was removed since is back."""
        self.do(self.world.crash())
        self.world.put_in_place(*self.copies[chosen % len(self.copies)])
        self.world.mark_restored("accept", ledger="skip")
        self.start(synchronous, returning)

    @precondition(lambda self: self.copies)
    @rule(
        chosen=_CHOICE,
        killed_after=st.integers(1, STEPS_MAX),
        replays=st.sampled_from(("accept", "refuse")),
        returning=_RETURNING,
    )
    def restore_in_steps(self, chosen: int, killed_after: int, replays: str, returning: list[int]) -> None:
        """Restore by the real swap, which is killed after one of its steps, and finished by the next start."""
        self.do(self.world.crash())
        self.world.restore_in_steps(*self.copies[chosen % len(self.copies)], killed_after, replays)
        self.start("full", returning)

    @precondition(lambda self: self.copies)
    @rule(chosen=_CHOICE, where=_WHERE, twice=st.booleans(), returning=_RETURNING)
    def bring_back(self, chosen: int, where: int, twice: bool, returning: list[int]) -> None:
        """Bring one conversation back from a copy of any past, while people look on."""
        copied, held = self.copies[chosen % len(self.copies)]
        for _ in range(1 + twice):
            self.do(self.world.bring_back(where, copied, held))
        for each in returning:
            self.come_back(each, 2, interrupted=False, looks=False)
