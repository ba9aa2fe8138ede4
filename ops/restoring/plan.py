"""Plan: which files of the replica a restore takes, whether they reach the moment, and how much room it needs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.restoring import gaps, moment
from ops.restoring.litestream import ASK_TIMEOUT_S, Litestream, Ltx
from ops.restoring.place import Place
from ops.restoring.refusal import Refused

ROOM_SPARE_BYTES = 16 * 1024 * 1024
MIB = 1024 * 1024
NOT_CONTIGUOUS = "non-contiguous"
"""Litestream's word for a replica with a hole in it."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one database file is restored: `at_ms` is the moment that was asked for, None for the latest.

    `copied_ms` is when its newest part was copied, to the second; `last` is that part's transaction.
    """

    file: str
    at_ms: int | None
    files: int
    size_bytes: int
    copied_ms: int
    last: int


def plan(place: Place, file: str, at_ms: int | None, ask_timeout_s: float = ASK_TIMEOUT_S) -> Plan:
    """Plan the restore of a database to a moment, the latest where it is None.

    Raises Refused where the replica cannot be reached or has no such file, where the moment lies in the future
    or before the oldest copy, and where copies that belong in between are missing.
    """
    if at_ms is not None and at_ms > moment.now_ms():
        raise Refused(f"{moment.shown(at_ms)} is in the future: --at -1s takes the newest that was copied.")
    replica = Litestream(place, Path(file).stem, ask_timeout_s)
    # Listed first: what is copied after this look can only add to the plan.
    listed = replica.files()
    if not listed:
        raise Refused(
            f"There is no copy of {file} in {place.target}. See that PALAVER_REPLICA names the right place, and the "
            "file's name; `palaver snapshots` shows what there is."
        )
    if at_ms is not None and at_ms <= oldest_ms(listed):
        raise Refused(f"{moment.shown(at_ms)} is too old for {file}: {window(listed)}.")
    steps = _steps(replica, file, listed, at_ms)
    _refuse_holes(file, listed, steps, at_ms)
    return Plan(
        file=file,
        at_ms=at_ms,
        files=len(steps),
        size_bytes=sum(step.size_bytes for step in steps),
        copied_ms=max(step.at_ms for step in steps),
        last=steps[-1].last,
    )


def oldest_ms(listed: Sequence[Ltx]) -> int:
    """Return the moment before which nothing can be restored: that of the oldest whole copy."""
    return min((file.at_ms for file in listed if file.first == 1), default=moment.now_ms())


def window(listed: Sequence[Ltx]) -> str:
    """Say from when to when a file can be restored."""
    reached = gaps.reachable(listed)
    if not reached:
        return "its replica holds no whole copy, so nothing can be restored"
    newest_ms = max(file.at_ms for file in reached)
    return (
        f"what can be restored lies between {moment.shown(oldest_ms(listed))} and {moment.shown(newest_ms)}"
    )


def refuse_without_room(place: Place, plans: Sequence[Plan]) -> None:
    """Raise Refused where the disk that copies are restored on has too little room; files there now stay."""
    needed = ROOM_SPARE_BYTES + sum(max(each.size_bytes, size_now(place.data / each.file)) for each in plans)
    folder = place.restores.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Refused(
            f"The disk of {folder} has {free // MIB} MiB free, and the copies need about {needed // MIB} MiB "
            "beside what is there. Make room, or restore with --to on another disk."
        )


def size_now(path: Path) -> int:
    """Return a file's size in bytes, 0 where it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _refuse_holes(file: str, listed: Sequence[Ltx], steps: Sequence[Ltx], at_ms: int | None) -> None:
    beyond = gaps.missing_after(listed, steps, at_ms)
    if beyond is not None:
        raise _hole(file, steps[-1], beyond)


def _steps(replica: Litestream, file: str, listed: Sequence[Ltx], at_ms: int | None) -> list[Ltx]:
    """Ask for the plan; a hole that Litestream itself stops at is told like one that it would pass over."""
    try:
        return replica.plan(at_ms)
    except Refused as refused:
        whole = gaps.reachable([each for each in listed if at_ms is None or each.at_ms <= at_ms])
        beyond = gaps.missing_after(listed, whole, at_ms) if whole else None
        if NOT_CONTIGUOUS not in str(refused) or beyond is None:
            raise
        raise _hole(file, whole[-1], beyond) from refused


def _hole(file: str, ends: Ltx, beyond: Ltx) -> Refused:
    return Refused(
        f"Copies of {file} are missing: transactions {ends.last + 1:x} to {beyond.first - 1:x}. Whole is what was "
        f"copied until {moment.shown(ends.at_ms)}: --at {moment.iso(ends.at_ms + gaps.SHOWN_TO_MS)} restores that, and "
        "`palaver snapshots` shows what else can be restored. After the next whole copy of a running server, one each "
        "PALAVER_REPLICA_SNAPSHOT_H hours, the newest can be restored again."
    )
