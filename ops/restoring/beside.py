"""Restores files beside those that are served: planned, fetched, checked, and looked at. Nothing served is touched.

Everything waits for a child process and a disk: call it in a thread from a running server.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.restoring import plan as planning
from ops.restoring import scratch
from ops.restoring.check import check
from ops.restoring.litestream import ASK_TIMEOUT_S, Litestream
from ops.restoring.place import Place
from ops.restoring.plan import Plan
from ops.restoring.progress import CHECK, FETCH, PLAN, Progress, Tell, nobody
from ops.restoring.refusal import Refused
from ops.restoring.standing import Standing, standing


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A checked copy of one file, and what it took. No WAL lies beside it."""

    file: str
    path: Path
    plan: Plan
    standing: Standing
    size_bytes: int
    fetch_s: float
    check_s: float


@contextmanager
def temporary_copy(
    place: Place,
    file: str,
    at_ms: int | None = None,
    *,
    tell: Tell = nobody,
    ask_timeout_s: float = ASK_TIMEOUT_S,
) -> Iterator[Copy]:
    """Restore one file at one moment, the latest for None, into a folder that is taken away at the end.

    `file` is as `main.db`, `at_ms` Unix milliseconds. Raises Refused with the reason and what to do.
    """
    with scratch.temporary(place) as folder:
        yield restore_beside(place, [file], at_ms, folder, tell=tell, ask_timeout_s=ask_timeout_s)[0]


def restore_beside(
    place: Place,
    files: Sequence[str],
    at_ms: int | None,
    folder: Path,
    *,
    tell: Tell = nobody,
    ask_timeout_s: float = ASK_TIMEOUT_S,
) -> list[Copy]:
    """Restore files to one moment into `folder`, all of them or none: planned all before the first is fetched.

    Raises Refused with the reason and what to do; copies that were complete stay, and are not fetched again.
    """
    plans = plans_of(place, files, at_ms, tell=tell, ask_timeout_s=ask_timeout_s)
    planning.refuse_without_room(place, plans)
    return copies_of(place, plans, folder, tell=tell)


def plans_of(
    place: Place,
    files: Sequence[str],
    at_ms: int | None,
    *,
    tell: Tell = nobody,
    ask_timeout_s: float = ASK_TIMEOUT_S,
) -> list[Plan]:
    """Plan the restore of several files to one moment; raises Refused for the first that cannot be."""
    plans = []
    for file in files:
        tell(Progress(PLAN, file))
        plans.append(planning.plan(place, file, at_ms, ask_timeout_s))
    return plans


def copies_of(place: Place, plans: Sequence[Plan], folder: Path, *, tell: Tell = nobody) -> list[Copy]:
    """Fetch and check what was planned."""
    return [_copy(place, each, folder, tell) for each in plans]


def _copy(place: Place, plan: Plan, folder: Path, tell: Tell) -> Copy:
    path = folder / plan.file
    began_s = time.monotonic()
    if not path.exists():
        _fetch(place, plan, path, tell)
    fetched_s = time.monotonic()
    tell(Progress(CHECK, plan.file))
    check(path)
    return Copy(
        file=plan.file,
        path=path,
        plan=plan,
        standing=standing(path),
        size_bytes=path.stat().st_size,
        fetch_s=fetched_s - began_s,
        check_s=time.monotonic() - fetched_s,
    )


def _fetch(place: Place, plan: Plan, path: Path, tell: Tell) -> None:
    """Fetch under a name of our own, since a child of a killed restore may still be writing under its."""
    part = path.with_name(f"{path.name}.part-{os.getpid()}")
    total = max(plan.size_bytes, planning.size_now(place.data / plan.file))
    tell(Progress(FETCH, plan.file, 0, total))
    try:
        last = Litestream(place, path.stem).restore(
            part, plan.at_ms, plan.files, lambda done: tell(Progress(FETCH, plan.file, done, total))
        )
        if last < plan.last:
            raise Refused(f"The replica of {plan.file} changed while it was read. Restore again.")
        os.rename(part, path)
    finally:
        part.unlink(missing_ok=True)
