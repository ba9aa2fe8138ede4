from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from chat.settings import Settings
from ops.drilling import schedule as scheduling
from ops.drilling.record import Drill, History, Outcome
from ops.drilling.schedule import DrillSchedule
from tests.support.waiting import until

HOUR_MS = 3600 * 1000


def now_ms() -> int:
    return int(time.time() * 1000)


def add(folder: Path, outcome: Outcome = "pass", age_ms: int = 0) -> None:
    History(folder).add(
        Drill(began_ms=now_ms() - age_ms, took_ms=1, outcome=outcome, version="1", parts=(), reason="")
    )


def settings(folder: Path, **fields: object) -> Settings:
    return Settings(data=str(folder), **fields)  # type: ignore[arg-type]


def test_a_fresh_drill_is_healthy_and_an_old_one_degrades(tmp_path: Path) -> None:
    add(tmp_path, age_ms=71 * HOUR_MS)
    assert DrillSchedule(settings(tmp_path)).health().ok

    old = DrillSchedule(settings(tmp_path, drill_age_h_max=70)).health()

    assert (old.ok, old.critical) == (False, False)
    assert "palaver drill --history" in old.reason


def test_a_drill_that_did_not_pass_verifies_nothing(tmp_path: Path) -> None:
    add(tmp_path, age_ms=100 * HOUR_MS)
    add(tmp_path, "fail")

    assert not DrillSchedule(settings(tmp_path)).health().ok


def test_before_the_first_drill_a_new_server_is_healthy(tmp_path: Path) -> None:
    assert DrillSchedule(settings(tmp_path)).health().ok


def test_without_replication_nothing_is_asked_for(tmp_path: Path) -> None:
    add(tmp_path, age_ms=1000 * HOUR_MS)

    assert DrillSchedule(settings(tmp_path, replica="off")).health().ok
    assert DrillSchedule(settings(tmp_path, drill_age_h_max=0)).health().ok


async def test_without_replication_the_schedule_ends_at_once(tmp_path: Path) -> None:
    await DrillSchedule(settings(tmp_path, replica="off")).run()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Time in which a schedule looks at once; and a data folder whose drills can prove nothing."""
    monkeypatch.setattr(scheduling, "FIRST_AFTER_S", 0.0)
    monkeypatch.setattr(scheduling, "LOOK_EVERY_S", 0.01)
    monkeypatch.setenv("PALAVER_DATA", str(tmp_path))
    return tmp_path


async def test_a_due_drill_is_run_in_a_process_of_its_own_and_then_not_again(
    hurried: Path, caplog: pytest.LogCaptureFixture
) -> None:
    schedule = DrillSchedule(settings(hurried))
    running = asyncio.create_task(schedule.run())
    await until(lambda: "did not pass" in caplog.text, "the drill to end", timeout_s=90)
    running.cancel()

    assert "exit code 75" in caplog.text
    assert [each.reason.startswith("there is no database") for each in History(hurried).drills()] == [True]


async def test_what_somebody_else_has_drilled_is_not_due_and_is_seen(hurried: Path) -> None:
    schedule = DrillSchedule(settings(hurried))
    add(hurried)
    running = asyncio.create_task(schedule.run())
    await until(lambda: schedule.last_verified_ms, "the history to be read")
    running.cancel()

    assert len(History(hurried).drills()) == 1


async def test_in_the_first_minutes_drills_of_others_are_seen_and_none_is_begun(
    hurried: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "FIRST_AFTER_S", 3600.0)
    schedule = DrillSchedule(settings(hurried))
    running = asyncio.create_task(schedule.run())
    add(hurried, age_ms=100 * HOUR_MS)
    await until(lambda: schedule.last_verified_ms, "the history to be read")
    running.cancel()

    assert len(History(hurried).drills()) == 1


async def test_a_server_that_stops_ends_its_drill(hurried: Path) -> None:
    schedule = DrillSchedule(settings(hurried))
    running = asyncio.create_task(schedule.run())
    await until(lambda: schedule._began_ms, "the drill to begin")

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_an_interval_of_0_drills_never(hurried: Path) -> None:
    assert not DrillSchedule(settings(hurried, drill_interval_h=0))._is_due()
    assert DrillSchedule(settings(hurried))._is_due()
