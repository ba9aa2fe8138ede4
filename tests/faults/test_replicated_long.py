"""The test of test_replicated.py for as many cycles as are asked for, and what is lost of acks that did not wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.faults.survival import PEOPLE
from tests.faults.test_replicated import endure, survival

LOSS_EVERY = 5
EVERYBODY = 1
TALK_MIN_S = 2.0
AT_RISK_MAX_S = 10.0
"""A bound for a machine that is busy with other tests; what was lost each time is printed."""


async def test_nothing_acked_as_replicated_is_lost_over_many_machines(
    tmp_path: Path, seed: int, cycles: int
) -> None:
    async with survival(tmp_path, seed) as people:
        await endure(people, cycles)


async def test_what_lost_machines_take_of_acks_that_did_not_wait_is_bounded(
    tmp_path: Path, seed: int, cycles: int
) -> None:
    async with survival(tmp_path, seed, plain_every=EVERYBODY) as people:
        for _ in range(cycles // LOSS_EVERY):
            await asyncio.sleep(people.chance.uniform(TALK_MIN_S, 2 * TALK_MIN_S))
            await people.lose_machine()
            await people.heard(PEOPLE)
        await people.end()
        assert people.verdict() == []
        assert max(loss.age_s for loss in people.ledger.losses) < AT_RISK_MAX_S
