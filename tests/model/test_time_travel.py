"""Restores, swaps and parts brought back, at random: every client sees the conversation of today, or reloads."""

from __future__ import annotations

import pytest

from tests.model.plain_ledger import PlainLedger
from tests.model.running import fails, run
from tests.model.time_travel import TimeTravel
from tests.model.world import World

HISTORIES = 6
STEPS = 25
HISTORIES_OF_CONTROLS = 200


def test_whatever_is_done_to_time_every_client_sees_today_or_reloads() -> None:
    run(TimeTravel, HISTORIES, STEPS)


def test_a_swapped_file_that_nobody_notices_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unnoticed(World):
        """Believes that a file which was swapped by hand is the one that was left."""

        def swap(self, *arguments: object) -> None:
            super().swap(*arguments)  # type: ignore[arg-type]
            self.is_swapped, self.has_ended = False, True

    monkeypatch.setattr("storage.noted.judge", lambda *_: None)
    assert fails(travel_of(Unnoticed), HISTORIES_OF_CONTROLS, STEPS)


def test_a_ledger_that_is_never_applied_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.sqlite.agree", lambda *_: None)
    assert fails(TimeTravel, HISTORIES_OF_CONTROLS, STEPS)


def test_a_ledger_that_forgets_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlainLedger, "note", lambda *_: None)
    assert fails(TimeTravel, HISTORIES_OF_CONTROLS, STEPS)


def travel_of(world: type[World]) -> type[TimeTravel]:
    """Make the machine that works on another world."""

    class TimeTravelOfAControl(TimeTravel):
        world_of = world

    return TimeTravelOfAControl
