"""The drill: proves that every database can be restored from its replica, now and as it was ten minutes ago.

Three-valued: what cannot be asked just now (a replica that is down, a full disk) proves nothing either way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from chat.settings import Settings
from chat.version import VERSION
from ops.drilling.copying import Broken, Unreachable, listed_of, past_moment, restored
from ops.drilling.judging import Judgement, judge_latest, judge_past
from ops.drilling.record import FAIL, INCONCLUSIVE, LATEST, PAST, Drill, Part, judged
from ops.drilling.syncing import NotSynced, socket_of, sync
from ops.restore_place import place_of
from ops.restoring import disk
from ops.restoring.beside import Copy
from ops.restoring.place import Place, known_files
from storage.comparison import ComparisonFailed, Stand, stand_of

PAST_AGE_MS = 10 * 60 * 1000
SYNC_TIMEOUT_S = 60.0

Told = Callable[[str], None]
"""Told what is done next, in a few words."""


class Synced(msgspec.Struct, frozen=True):
    """How far the live file came. All of it is on the replica where `reason` is empty; else it says why none knows."""

    stand: Stand
    reason: str = ""


def drill(settings: Settings, told: Told) -> Drill:
    """Sync, restore and check every file. It works beside a running server, and reads its databases only."""
    began_ms, began_s = _now_ms(), time.monotonic()
    place = place_of(settings)
    if not settings.replicates:
        return _nothing(began_ms, "replication is off (PALAVER_REPLICA=off)")
    files = known_files(place)
    if not files:
        return _nothing(began_ms, f"there is no database in {place.data}")
    told("copying what was written last")
    synced = {file: _sync(settings, place.data / file) for file in files}
    lag_ms = round((time.monotonic() - began_s) * 1000)
    parts = tuple(part for file in files for part in _parts(settings, place, file, synced[file], told))
    return Drill(
        began_ms=began_ms,
        took_ms=round((time.monotonic() - began_s) * 1000),
        outcome=judged(parts),
        version=VERSION,
        parts=parts,
        lag_ms=0 if any(each.reason for each in synced.values()) else lag_ms,
    )


def _sync(settings: Settings, live: Path) -> Synced:
    """See how far the live file came, and have it copied: that much must come back."""
    if not live.exists():
        return Synced(Stand(), "the file is not in the data folder")
    try:
        stand = stand_of(live, served=True)
    except ComparisonFailed as failed:
        return Synced(Stand(), f"the live file cannot be read: {failed}")
    try:
        sync(socket_of(settings), live, SYNC_TIMEOUT_S)
    except NotSynced as reason:
        return Synced(stand, str(reason))
    return Synced(stand)


def _parts(settings: Settings, place: Place, file: str, synced: Synced, told: Told) -> Iterator[Part]:
    live = place.data / file
    told(f"restoring {file}")
    yield _part(
        place, file, None, lambda copy: judge_latest(copy, live, settings, synced.stand, synced.reason)
    )
    try:
        at_ms = past_moment(listed_of(place, file), _now_ms(), PAST_AGE_MS)
    except Unreachable as unreachable:
        yield Part(file=file, moment=PAST, outcome=INCONCLUSIVE, reason=str(unreachable))
        return
    told(f"restoring {file} as it was")
    yield _part(place, file, at_ms, lambda copy: judge_past(copy, live, settings, at_ms))


def _part(place: Place, file: str, at_ms: int | None, judge: Callable[[Copy], Judgement]) -> Part:
    part = Part(file=file, moment=LATEST if at_ms is None else PAST, outcome=FAIL, at_ms=at_ms or 0)
    try:
        with restored(place, file, at_ms) as copy:
            judgement = judge(copy)
            return msgspec.structs.replace(
                part,
                outcome=judgement.outcome,
                reason=judgement.reason,
                events=judgement.events,
                heartbeat_ms=copy.standing.heartbeat_ms or 0,
                size_bytes=copy.size_bytes,
                restore_ms=round(copy.fetch_s * 1000),
                check_ms=round(copy.check_s * 1000),
            )
    except Broken as broken:
        return msgspec.structs.replace(part, reason=str(broken))
    except (Unreachable, OSError) as reason:
        return msgspec.structs.replace(part, outcome=INCONCLUSIVE, reason=disk.explained(reason, place.data))


def _nothing(began_ms: int, reason: str) -> Drill:
    return Drill(began_ms=began_ms, took_ms=0, outcome=INCONCLUSIVE, version=VERSION, parts=(), reason=reason)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
