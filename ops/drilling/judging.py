"""Judges a restored copy: its invariants, its moment, and that it says what the live database says."""

from __future__ import annotations

from pathlib import Path

import msgspec

from chat.settings import Settings
from ops.drilling.record import FAIL, INCONCLUSIVE, PASS, Outcome
from ops.restoring.beside import Copy
from storage import inspect, migrate
from storage.comparison import Compared, ComparisonFailed, Stand, compare, stand_of
from storage.inspect import Inspection, InspectionFailed
from storage.tuning import Tuning


class Judgement(msgspec.Struct, frozen=True):
    """How a copy was found, why, and how many of its events were held against the live database."""

    outcome: Outcome
    reason: str = ""
    events: int = 0


def judge_latest(copy: Copy, live: Path, settings: Settings, stand: Stand, unsynced: str) -> Judgement:
    """Judge a copy of the latest moment. It must have come as far as `stand`, unless `unsynced` says why none knows."""
    broken = _broken(copy, settings)
    if broken is not None:
        return broken
    try:
        came = stand_of(copy.path, served=False)
        compared = compare(copy.path, live) if live.exists() else Compared()
    except ComparisonFailed as failed:
        return Judgement(INCONCLUSIVE, f"could not be held against the live database: {failed}")
    if compared.differences:
        return _different(compared)
    if compared.diverged:
        text = "the copy is of another past than the live database"
        return Judgement(INCONCLUSIVE, f"{text}; {unsynced}") if unsynced else Judgement(FAIL, text)
    if came.happenings < stand.happenings or came.heartbeat_ms < stand.heartbeat_ms:
        behind = f"the copy is behind: {_behind(came, stand)}"
        if unsynced:
            return Judgement(INCONCLUSIVE, f"{behind}; {unsynced}", compared.events)
        return Judgement(FAIL, f"{behind}, and litestream had said that it has all", compared.events)
    return Judgement(PASS, "", compared.events)


def judge_past(copy: Copy, live: Path, settings: Settings, at_ms: int) -> Judgement:
    """Judge a copy of an earlier moment; one of a past that a restore has left is not compared."""
    broken = _broken(copy, settings)
    if broken is not None:
        return broken
    late_ms = (copy.standing.heartbeat_ms or 0) - at_ms
    if late_ms > 0:
        return Judgement(FAIL, f"the copy is {late_ms} ms later than the moment that was asked for")
    try:
        compared = compare(copy.path, live) if live.exists() else Compared()
    except ComparisonFailed as failed:
        return Judgement(INCONCLUSIVE, f"could not be held against the live database: {failed}")
    if compared.differences:
        return _different(compared)
    reason = "of a past that a restore has left, so not compared" if compared.diverged else ""
    return Judgement(PASS, reason, compared.events)


def _behind(came: Stand, stand: Stand) -> str:
    missing = stand.happenings - came.happenings
    return (
        f"it lacks {missing} of {stand.happenings} events and conversations"
        if missing > 0
        else "an old heartbeat"
    )


def _different(compared: Compared) -> Judgement:
    return Judgement(
        FAIL, f"differs from the live database in {'; '.join(compared.differences)}", compared.events
    )


def _broken(copy: Copy, settings: Settings) -> Judgement | None:
    """Return what is wrong with the copy itself; None where nothing is."""
    try:
        with Inspection(copy.path, Tuning.of(settings, query_only=True)) as inspection:
            if any(applied_ms is None for _, _, applied_ms in inspection.migrations(migrate.shipped())):
                return None  # of before an upgrade: today's invariants need not hold in its schema
            for name, promise in inspect.INVARIANTS.items():
                found = inspection.violations(name)
                if found:
                    return Judgement(FAIL, f"not true that {promise}: {', '.join(found)}")
    except migrate.MigrationRefused as refused:
        return Judgement(INCONCLUSIVE, str(refused))
    except InspectionFailed as failed:
        return Judgement(FAIL, f"cannot be read: {failed}")
    return None
