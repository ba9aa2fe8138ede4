"""What a benchmark found: every single run, and the medians over them."""

from __future__ import annotations

import statistics

import msgspec

from benchmarks.job import Figures


class Reading(msgspec.Struct, frozen=True):
    """The figures of one run of one plan on one side."""

    plan: str
    side: str
    round: int
    figures: Figures


class Spread(msgspec.Struct, frozen=True):
    """A figure over all rounds."""

    median: float
    low: float
    high: float


class Results(msgspec.Struct, kw_only=True):
    """Everything that was measured in one go, where, and how thoroughly."""

    environment: dict[str, str]
    rounds: int
    window_s: float
    readings: list[Reading] = []

    def spread(self, plan: str, side: str, figure: str) -> Spread | None:
        """Return a figure's median and range, or None where it was not measured."""
        values = [
            reading.figures[figure]
            for reading in self.readings
            if reading.plan == plan and reading.side == side and figure in reading.figures
        ]
        return Spread(statistics.median(values), min(values), max(values)) if values else None

    def median(self, plan: str, side: str, figure: str) -> float | None:
        """Return a figure's median, or None where it was not measured."""
        spread = self.spread(plan, side, figure)
        return None if spread is None else spread.median
