"""What every test can ask for: a real server, its own or a module's; and the crash tests' options."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from tests.support.server import Server

CYCLES = 10
USUAL_UMASK = 0o022


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cycles",
        type=int,
        default=CYCLES,
        help=f"how many times each crash test breaks the server (default {CYCLES}; `make faults` takes 100)",
    )
    parser.addoption(
        "--fault-seed",
        type=int,
        default=None,
        help="the seed of the crash tests' random moments; each run prints its own",
    )


def pytest_configure() -> None:
    """Let hypothesis take its time: its deadlines measure how busy the machine is."""
    settings.register_profile(
        "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("unhurried")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long variants, files named *_long.py, to runs that ask for more cycles than usual: `make faults`."""
    if config.getoption("--cycles") <= CYCLES:
        long = [item for item in items if item.path.name.endswith("_long.py")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Start each test with the same umask, since a command that a test calls in its own process sets a narrow one."""
    before = os.umask(USUAL_UMASK)
    yield
    os.umask(before)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server with its defaults, for the tests that break it."""
    server = await Server.start(tmp_path / "data")
    yield server
    await server.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server with its defaults, for a module's tests that leave it as it was."""
    server = await Server.start(tmp_path_factory.mktemp("shared") / "data")
    yield server
    await server.close()
