"""A store on a file of its own, and a short way to write and read with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from threading import enumerate as enumerate_threads

import pytest

from tests.support.stores import OpenStore
from tests.support.waiting import until


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[OpenStore]:
    """An open store on an empty file."""
    async with OpenStore(tmp_path / "main.db") as opened:
        yield opened


@pytest.fixture(autouse=True)
async def every_connection_is_closed() -> AsyncIterator[None]:
    """Fail a test that leaves a connection open. A connection that could not be opened ends a moment later."""
    yield
    await until(
        lambda: not any("_connection_worker" in each.name for each in enumerate_threads()), "all to close"
    )
