"""Runs the machine: how long, and always the same histories unless a seed of its own is asked for."""

from __future__ import annotations

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Histories

ALWAYS = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


def run(machine: type[Histories], histories: int, steps: int, *, seed: int | None = None) -> None:
    """Live through so many random histories; raises AssertionError for the first that does not hold, made short."""
    wanted = settings(
        ALWAYS, max_examples=histories, stateful_step_count=steps, derandomize=seed is None, print_blob=False
    )
    run_state_machine_as_test(
        hypothesis.seed(seed)(machine) if seed is not None else machine, settings=wanted
    )


def fails(machine: type[Histories], histories: int, steps: int) -> str:
    """Return what the machine says of something that is broken on purpose; "" if it found nothing."""
    wanted = settings(
        ALWAYS,
        max_examples=histories,
        stateful_step_count=steps,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    try:
        run_state_machine_as_test(machine, settings=wanted)
    except AssertionError as found:
        return repr(found)
    return ""
