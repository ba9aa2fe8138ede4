from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from tests.chat.endpoints.rest_stand import Core
from tests.support.rest import RestClient
from tests.support.server import Server


@pytest.fixture
def core() -> Core:
    """A core that notes what REST asks of it."""
    return Core()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def alice(shared_server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    async with RestClient(shared_server.url, shared_server.token("alice", scope="ops assistant")) as rest:
        yield rest.http


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def bob(shared_server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    async with RestClient(shared_server.url, shared_server.token("bob")) as rest:
        yield rest.http


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def mallory(shared_server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    async with RestClient(shared_server.url, shared_server.token("mallory")) as rest:
        yield rest.http
