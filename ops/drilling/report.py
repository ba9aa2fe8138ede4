"""Report: lag, restore time and size of the last drills over time, as one SVG picture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ops.drilling.record import FAIL, INCONCLUSIVE, PASS, Drill
from ops.svg import Series, plot

DRILLS_SHOWN = 90
MS_PER_S = 1000
MIB = 1024 * 1024


def draw(drills: Sequence[Drill]) -> str:
    """Draw drills, the oldest left; raises ValueError without any.

    A red stripe is a drill that failed, an upright line one that proved nothing; neither has a point.
    """
    if not drills:
        raise ValueError("there is nothing to draw")
    passed = [drill for drill in drills if drill.outcome == PASS]
    span = f"{_day(drills[0])} to {_day(drills[-1])}"
    return plot(
        f"{len(drills)} drills, {span}: {len(passed)} passed, {_count(drills, FAIL)} failed, "
        f"{_count(drills, INCONCLUSIVE)} inconclusive",
        [
            _row(
                "lag",
                "s",
                drills,
                [(each.began_ms, each.lag_ms / MS_PER_S) for each in passed if each.lag_ms],
            ),
            _row(
                "restored in", "s", drills, [(each.began_ms, each.restore_ms / MS_PER_S) for each in passed]
            ),
            _row("size", "MiB", drills, [(each.began_ms, each.size_bytes / MIB) for each in passed]),
        ],
    )


def _row(name: str, unit: str, drills: Sequence[Drill], points: list[tuple[int, float]]) -> Series:
    return Series(
        name=name,
        unit=unit,
        points=points,
        style="line" if len(points) > 1 else "points",
        marks=[each.began_ms for each in drills if each.outcome == INCONCLUSIVE],
        spans=[(each.began_ms, each.began_ms + each.took_ms) for each in drills if each.outcome == FAIL],
    )


def _count(drills: Sequence[Drill], outcome: str) -> int:
    return sum(each.outcome == outcome for each in drills)


def _day(drill: Drill) -> str:
    return datetime.fromtimestamp(drill.began_ms / MS_PER_S, UTC).strftime("%Y-%m-%d")
