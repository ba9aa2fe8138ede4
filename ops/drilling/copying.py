"""Restores one file for a drill, and tells a replica that is broken from one that cannot be asked just now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.restoring import gaps, moment, scratch
from ops.restoring import plan as planning
from ops.restoring.beside import Copy, copies_of
from ops.restoring.litestream import Litestream, Ltx
from ops.restoring.place import Place
from ops.restoring.refusal import Refused

# Compaction may take away what was planned before it is fetched: a second plan is of what there is then.
TRIES = 2


class Unreachable(Exception):
    """The replica, or the means to ask it, is not there: nothing was learnt of it. The message says why."""


class Broken(Exception):
    """The replica answered, and what is on it cannot be restored. The message says why."""


@contextmanager
def restored(place: Place, file: str, at_ms: int | None) -> Iterator[Copy]:
    """Restore a file at a moment, the latest for None, until the end of the block.

    Raises Unreachable, Broken, or OSError where the data folder cannot be written.
    """
    with scratch.temporary(place) as folder:
        yield _restored(place, file, at_ms, folder)


def _restored(place: Place, file: str, at_ms: int | None, folder: Path) -> Copy:
    for left in reversed(range(TRIES)):
        try:
            plan = planning.plan(place, file, at_ms)
            _check_room(place, plan)
            return copies_of(place, [plan], folder)[0]
        except Refused as refused:
            listed_of(place, file)  # raises Unreachable, where that is the cause
            if not left:
                raise Broken(str(refused)) from refused
    raise AssertionError("the last try returns or raises")


def listed_of(place: Place, file: str) -> list[Ltx]:
    """Return the parts of a file's replica; raises Unreachable."""
    try:
        return Litestream(place, file.removesuffix(".db")).files()
    except Refused as refused:
        raise Unreachable(str(refused)) from refused


def past_moment(listed: list[Ltx], now_ms: int, age_ms: int) -> int:
    """Return the moment `age_ms` ago, or the oldest that can be restored where the replica is younger than that."""
    oldest_ms = planning.oldest_ms(listed) + gaps.SHOWN_TO_MS
    return min(max(now_ms - age_ms, oldest_ms), moment.now_ms())


def _check_room(place: Place, plan: planning.Plan) -> None:
    try:
        planning.refuse_without_room(place, [plan])
    except Refused as refused:
        raise Unreachable(str(refused)) from refused
