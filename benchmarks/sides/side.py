"""What can be measured."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from benchmarks.job import Figures
from benchmarks.plan import Pace, Plan


class Side(Protocol):
    """One contender. Each measurement starts it anew in an empty folder."""

    def takes(self, plan: Plan) -> bool:
        """Say whether this side has part in a plan."""
        ...

    def measure(self, plan: Plan, pace: Pace, folder: Path, profile: str) -> Figures:
        """Run a plan once and return its figures; raises BenchmarkFailed.

        `profile` is a file for the stacks of the timed window, empty for none; ignored without a server.
        """
        ...
