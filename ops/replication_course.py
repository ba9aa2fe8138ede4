"""Course: what became of the proofs of one file's copy, and the state that follows from it."""

from __future__ import annotations

import time
from pathlib import Path

from chat.replication import LAGGING, REPLICATING, STARTING, STATES, Replica

START_S = 15.0
FAILURES_MAX = 2
"""One proof may fail, and two in a row are an alarm."""


class Course:
    """The course of one file. Proofs come from every sync; `failures` and `missed_beats` count in a row.

    `slow` says that the last one failed for want of an answer in time, `probed` that a probe waits for one just now.
    """

    def __init__(self, path: Path, target: str) -> None:
        self.path = path
        self.failures = 0
        self.missed_beats = 0
        self.unproven_since_s = time.monotonic()
        self.slow = False
        self.probed = False
        self._target = target
        self._state = STARTING
        self._reason = ""
        self._failure = ""
        self._since_ms = _now_ms()
        self._proven_ms = 0

    @property
    def state(self) -> str:
        """Return the state of today."""
        return self._state

    @property
    def failure(self) -> str:
        """Return why the last proof failed."""
        return self._failure

    @property
    def alarmed(self) -> bool:
        """Tell whether too many proofs failed in a row."""
        return max(self.failures, self.missed_beats) >= FAILURES_MAX

    @property
    def failing(self) -> bool:
        """Tell whether the newest proof failed."""
        return bool(self.failures or self.missed_beats)

    @property
    def young(self) -> bool:
        """Tell whether nothing was proven yet, and need not be: lease, process and first copy take their time."""
        return not self._proven_ms and time.monotonic() - self.unproven_since_s < START_S

    def replica(self) -> Replica:
        """Write the course down."""
        return Replica(
            file=self.path.name,
            state=self._state,
            since_ms=self._since_ms,
            target=self._target,
            reason=self._reason,
            proven_ms=self._proven_ms,
        )

    def prove(self, began_ms: int) -> None:
        """Note that everything committed before `began_ms` is on the replica."""
        self.failures, self._proven_ms = 0, max(began_ms, self._proven_ms)
        self.unproven_since_s = time.monotonic()
        if not self.missed_beats:
            self.become(REPLICATING)

    def fail(self, reason: str, *, slow: bool) -> None:
        """Note that a proof failed; `slow`: for want of an answer in time, and not by an error."""
        self.failures += 1
        self._failure, self.slow = reason, slow

    def give_up(self) -> None:
        """Be patient no longer with a failure: there will be no answer."""
        if self.failures:
            self.failures = max(self.failures, FAILURES_MAX)

    def beat(self, failure: str) -> None:
        """Note that a heartbeat was written, or why not."""
        self.missed_beats = self.missed_beats + 1 if failure else 0
        if failure:
            self._failure = f"no heartbeat can be written: {failure}"

    def wait(self) -> None:
        """Be patient with a failure: the next proof decides."""
        self.become(LAGGING if self._proven_ms else STARTING, self._failure)

    def become(self, state: str, reason: str = "") -> bool:
        """Enter a state, or stay in it with another reason; tell whether it is a new one."""
        assert state in STATES
        entered = state != self._state
        if entered:
            self._state, self._since_ms = state, _now_ms()
        self._reason = reason
        return entered


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
