"""The histories of tests/model, longer ones and each time others: one for every cycle."""

from __future__ import annotations

from tests.model.machine import Histories
from tests.model.running import run
from tests.model.time_travel import TimeTravel

STEPS = 50


def test_long_random_histories_hold_against_the_plain_model(cycles: int, seed: int) -> None:
    run(Histories, cycles, STEPS, seed=seed)


def test_long_random_travels_in_time_hold_against_the_plain_model(cycles: int, seed: int) -> None:
    run(TimeTravel, cycles, STEPS, seed=seed)
