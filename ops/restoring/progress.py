"""Progress: what a restore tells of itself while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PLAN = "plan"
FETCH = "fetch"
CHECK = "check"
COMPARE = "compare"
MARK = "mark"
SWAP = "swap"


@dataclass(frozen=True)
class Progress:
    """One step on one file begins, or went on: `done` of about `total` bytes, both 0 where nothing is counted."""

    step: str
    file: str
    done: int = 0
    total: int = 0


Tell = Callable[[Progress], None]


def nobody(_: Progress) -> None:
    """Tell nobody."""
