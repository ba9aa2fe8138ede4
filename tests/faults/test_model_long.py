"""The histories of tests/model, for long and each time others: three for every cycle."""

from __future__ import annotations

from tests.model.machine import Histories
from tests.model.running import run

HISTORIES_PER_CYCLE = 3
STEPS = 50


def test_long_random_histories_hold_against_the_plain_model(cycles: int, seed: int) -> None:
    run(Histories, HISTORIES_PER_CYCLE * cycles, STEPS, seed=seed)
