"""What the crash tests stand on: how often they break things, the seed of their moments, and a storm."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from tests.faults.storm import FEW, PEOPLE, Storm
from tests.support.server import Server

OFTEN = 50
SELDOM = 1
SEED_BITS = 32


@pytest.fixture
def cycles(request: pytest.FixtureRequest) -> int:
    """How often the server is killed."""
    return int(request.config.getoption("--cycles"))


@pytest.fixture
def rounds(cycles: int) -> int:
    """How often everything else is broken: once, and half as often as the kills in a long run."""
    return max(SELDOM, cycles // 2) if cycles >= OFTEN else SELDOM


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of this test's random moments; printed, and taken from --fault-seed to try the same again."""
    given = request.config.getoption("--fault-seed")
    seed = random.SystemRandom().getrandbits(SEED_BITS) if given is None else int(given)
    print(f"--fault-seed {seed}")
    return seed


@pytest.fixture
async def storm(server: Server, seed: int) -> AsyncIterator[Storm]:
    """Fifty people talking to a server of their own."""
    storm = Storm(server, seed)
    await storm.begin()
    yield storm
    await storm.leave()
    print(storm.report())


@pytest.fixture
async def small_storm(server: Server, seed: int, cycles: int) -> AsyncIterator[Storm]:
    """A few people talking to a server of their own; fifty in a long run."""
    storm = Storm(server, seed, PEOPLE if cycles >= OFTEN else FEW)
    await storm.begin()
    yield storm
    await storm.leave()
    print(storm.report())
