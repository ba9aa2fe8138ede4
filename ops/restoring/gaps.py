"""Gaps: what a replica's files reach without a hole.

Given a moment, Litestream restores what lies before a hole and says nothing; so the holes are looked for here.
"""

from __future__ import annotations

from collections.abc import Sequence

from ops.restoring.litestream import Ltx

# Litestream shows the time of a file cut to the second: a file of that same second may be of later. Where the very next
# transaction is nowhere on the replica, there is a hole all the same.
SHOWN_TO_MS = 1000


def reachable(files: Sequence[Ltx]) -> list[Ltx]:
    """Return the files that a restore can end with: those that a chain without a hole leads to from the beginning."""
    end = 0
    found = []
    for file in sorted(files, key=lambda each: (each.last, each.first)):
        if file.first <= end + 1:
            end = file.last
            found.append(file)
    return found


def missing_after(files: Sequence[Ltx], steps: Sequence[Ltx], at_ms: int | None) -> Ltx | None:
    """Return the oldest file beyond a hole that the plan `steps` should have reached, None where there is no hole.

    A plan has a hole in it, or ends before one, where transactions of before `at_ms` are on the replica and not in it.
    """
    ends = 0
    for step in steps:
        if step.first > ends + 1:
            return step
        ends = max(ends, step.last)
    lost = not any(file.first <= ends + 1 <= file.last for file in files)
    unsure_ms = 0 if lost else SHOWN_TO_MS
    beyond = [
        file for file in files if file.last > ends and (at_ms is None or file.at_ms + unsure_ms <= at_ms)
    ]
    return min(beyond, key=lambda file: file.first, default=None)
