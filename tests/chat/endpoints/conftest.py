from __future__ import annotations

import pytest

from tests.chat.endpoints.rest_stand import Core


@pytest.fixture
def core() -> Core:
    """A core that notes what REST asks of it."""
    return Core()
