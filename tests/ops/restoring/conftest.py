"""A data folder with one open store, and the daemon that copies it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ops.restoring.place import Place
from tests.ops.restoring.replicated import Replicated, place_in
from tests.support.stores import OpenStore


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty data folder with the default target."""
    return place_in(tmp_path)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[OpenStore]:
    """An open store on main.db."""
    async with OpenStore(place.data / "main.db") as opened:
        yield opened


@pytest.fixture
def replicated(store: OpenStore, place: Place) -> Iterator[Replicated]:
    """The daemon over main.db, which has copied it once."""
    with Replicated(place) as daemon:
        yield daemon
