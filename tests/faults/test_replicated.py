"""Whatever was acked as replicated survives kills of every part and the loss of the whole machine, exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.machine import Machine
from tests.faults.survival import PEOPLE, Survival

PARTS = ("server", "litestream", "s3")
CYCLES_MAX = 3
"""Of a usual run, which kills each part once; test_replicated_long.py takes as many as are asked for."""
LOSS_EVERY = 2
OUTAGE_MAX_S = 1.0
MOMENT_MAX_S = 0.5


@asynccontextmanager
async def survival(folder: Path, seed: int, program: str = "", **people: int) -> AsyncIterator[Survival]:
    """Let a dozen people talk on a machine that replicates to S3."""
    machine = await Machine.start(folder, program)
    survival = Survival(machine, seed, **people)
    try:
        await survival.begin()
        yield survival
        print(survival.report())
    finally:
        await survival.leave()
        await machine.close()


async def test_nothing_acked_as_replicated_is_lost_or_repeated_when_machines_are_lost(
    tmp_path: Path, seed: int, cycles: int
) -> None:
    async with survival(tmp_path, seed) as people:
        await endure(people, min(cycles, CYCLES_MAX))


async def test_a_server_that_acks_before_the_sync_is_found_out(tmp_path: Path, seed: int) -> None:
    async with survival(tmp_path, seed, "ack_before_sync") as people:
        await people.heard(PEOPLE)
        await people.lose_machine()
        assert any("and is stored as None" in violation for violation in people.ledger.violations)


async def endure(people: Survival, cycles: int) -> None:
    """Kill a part in every cycle, lose the machine in some and in the last; then check everything."""
    parts: list[str] = []
    for cycle in range(1, cycles + 1):
        parts = parts or people.chance.sample(PARTS, len(PARTS))
        await asyncio.sleep(people.chance.uniform(0, MOMENT_MAX_S))
        await kill(people, parts.pop())
        await people.heard(PEOPLE)
        if cycle % LOSS_EVERY == 0 or cycle == cycles:
            await asyncio.sleep(people.chance.uniform(0, MOMENT_MAX_S))
            await people.lose_machine()
            await people.heard(PEOPLE)
    await people.end()
    assert people.verdict() == []
    assert len(people.ledger.losses) >= cycles // LOSS_EVERY
    assert len(people.ledger.acks) > PEOPLE * cycles


async def kill(people: Survival, part: str) -> None:
    """Kill the server, Litestream or S3, and bring it back a little later."""
    machine = people.machine
    if part == "server":
        await machine.kill_server()
        await machine.server.launch()
    elif part == "litestream":
        await machine.kill_litestream()
    else:
        machine.s3.kill()
        await asyncio.sleep(people.chance.uniform(0, OUTAGE_MAX_S))
        await machine.s3.launch()
