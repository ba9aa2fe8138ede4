"""The server that a module's SDK tests share: they stop, kill and start it, and leave it running."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.acceptance.sdk_suite import RECOVER_EVENTS_MAX
from tests.support.server import Server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that asks who missed more than a few events to reload."""
    data_dir = tmp_path_factory.mktemp("sdk") / "data"
    server = await Server.start(data_dir, recover_events_max=RECOVER_EVENTS_MAX)
    yield server
    await server.close()
