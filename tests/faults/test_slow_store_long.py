"""A store that answers slowly: acks that wait for it take that long, and no longer the longer it lasts."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from tests.support.replicated import Replicated
from tests.support.rest import RestClient
from tests.support.s3 import S3Server
from tests.support.slow_road import slow_road

DELAY_S = 0.05
TALK_S = 20.0
SENDERS = 8
QUARTERS = 4
ACK_MAX_S = 2.0


async def test_acks_over_a_slow_store_do_not_queue_up(tmp_path: Path) -> None:
    s3 = await S3Server.start(tmp_path / "s3")
    try:
        async with slow_road(s3.port, DELAY_S) as endpoint:
            settings = s3.settings() | {"replica_endpoint": endpoint, "replica_sync_s": 0.1}
            async with Replicated.start(tmp_path / "data", **settings) as server:
                await server.replicating()
                took_s = await acked(server)
    finally:
        s3.close()
    quarter = len(took_s) // QUARTERS
    first_s, last_s = statistics.median(took_s[:quarter]), statistics.median(took_s[-quarter:])
    print(f"{len(took_s)} acks: the first took {first_s:.2f} s, the last {last_s:.2f} s")
    assert quarter > SENDERS
    assert last_s < max(2 * first_s, ACK_MAX_S / 2)
    assert max(took_s[-quarter:]) < ACK_MAX_S


async def acked(server: Replicated) -> list[float]:
    """Let several send as fast as acks come, and return how long each took, in order; all say `replicated`."""
    took_s: list[float] = []
    until_s = time.monotonic() + TALK_S

    async def talk(client: RestClient, conversation: str) -> None:
        while time.monotonic() < until_s:
            began_s = time.monotonic()
            ack = await client.send(conversation, "hello", durability="replicated")
            assert ack["durability"] == "replicated"
            took_s.append(time.monotonic() - began_s)

    async with server.writer() as (alice, conversation), asyncio.TaskGroup() as tasks:
        for _ in range(SENDERS):
            tasks.create_task(talk(alice, conversation))
    return took_s
