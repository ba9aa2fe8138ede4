"""What Palaver promises itself to reach, held against the medians of a run."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from benchmarks.results import Results

CPU_US_MAX = 100.0
CPU_RATIO_MIN = 8.0
LATENCY_RATIO_MAX = 3.0
IDLE_KIB_MAX = 40.0


class Target(msgspec.Struct, frozen=True):
    """A figure, its limit and the way to read it; `unit` follows the number."""

    title: str
    unit: str
    limit: float
    at_least: bool
    measured: Callable[[Results], float | None]

    def reached(self, value: float) -> bool:
        """Say whether a measured value keeps the limit."""
        return value >= self.limit if self.at_least else value <= self.limit


def _cpu_us(results: Results) -> float | None:
    return results.median("senders-500", "palaver", "cpu_us_per_message")


def _cpu_ratio(results: Results) -> float | None:
    return ratio(results.median("senders-500", "naive", "cpu_us_per_message"), _cpu_us(results))


def _latency_ratio(results: Results) -> float | None:
    ack_ms = results.median("one-sender", "palaver", "ack_p50_ms")
    return ratio(ack_ms, results.median("one-sender", "raw", "ack_p50_ms"))


def _idle_kib(results: Results) -> float | None:
    return results.median("idle", "palaver", "kib_per_connection")


def ratio(above: float | None, below: float | None) -> float | None:
    """Return a quotient, None where a part is missing."""
    return None if above is None or not below else above / below


TARGETS = (
    Target("Server CPU per acked message with 10 deliveries, 500 senders", "µs", CPU_US_MAX, False, _cpu_us),
    Target(
        "Naive application's CPU there, as a multiple of Palaver's", "times", CPU_RATIO_MIN, True, _cpu_ratio
    ),
    Target(
        "Ack p50 at one sender, as a multiple of a raw one-row commit",
        "times",
        LATENCY_RATIO_MAX,
        False,
        _latency_ratio,
    ),
    Target("Memory per idle connection", "KiB", IDLE_KIB_MAX, False, _idle_kib),
)
