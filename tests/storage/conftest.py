"""A store on a file of its own, and a short way to write and read with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.stores import OpenStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[OpenStore]:
    """An open store on an empty file."""
    async with OpenStore(tmp_path / "main.db") as opened:
        yield opened
