"""A slow road: a proxy on a free loopback port that hands everything on a little later, each way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.ports import LOOPBACK

CHUNK_BYTES = 65_536


@asynccontextmanager
async def slow_road(port: int, delay_s: float) -> AsyncIterator[str]:
    """Lend the address of a road to `port`; whatever comes from either side waits `delay_s`."""
    tasks: set[asyncio.Task[None]] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(LOOPBACK, port)
        for source, sink in ((reader, there[1]), (there[0], writer)):
            task = asyncio.create_task(_carry(source, sink, delay_s))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(meet, LOOPBACK, 0)
    try:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay_s: float) -> None:
    try:
        while chunk := await source.read(CHUNK_BYTES):
            await asyncio.sleep(delay_s)
            sink.write(chunk)
            await sink.drain()
    except ConnectionError:
        pass  # one side hung up: the other hears of it
    finally:
        sink.close()
