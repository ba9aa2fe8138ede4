"""Idle connections: what each socket that is connected and subscribed costs the server in resident memory."""

from __future__ import annotations

import asyncio
import time

from benchmarks.crowd import Crowd
from benchmarks.job import BenchmarkFailed, Figures, Job
from benchmarks.process import KIB, rss_bytes
from benchmarks.scenarios.figures import verified_latencies

SETTLE_POLL_S = 0.5
SETTLE_TIMEOUT_S = 20.0
SETTLED_CHANGE_BYTES = 256 * KIB


async def idle(crowd: Crowd, job: Job) -> Figures:
    """Read memory before and after the crowd comes; then one of each conversation speaks to all."""
    await crowd.open(job.seats[: job.settled])
    before = await _steady_rss_bytes(job.server_pid)
    start_s = time.perf_counter()
    await crowd.open(job.seats[job.settled :])
    opened_s = time.perf_counter() - start_s
    after = await _steady_rss_bytes(job.server_pid)
    connections = len(job.seats) - job.settled
    await _prove_alive(crowd, job)
    return {
        "connections": connections,
        "kib_per_connection": (after - before) / KIB / connections,
        "base_mib": before / KIB / KIB,
        "opened_per_s": connections / opened_s,
    }


async def _prove_alive(crowd: Crowd, job: Job) -> None:
    for sender in crowd.connections[:: job.audience]:
        sender.send(time.perf_counter())
    await crowd.tally.settled(job.timeout_s)
    await verified_latencies(crowd)


async def _steady_rss_bytes(pid: int) -> int:
    """Return the memory once two readings agree within SETTLED_CHANGE_BYTES."""
    deadline_s = time.perf_counter() + SETTLE_TIMEOUT_S
    last = rss_bytes(pid)
    while time.perf_counter() < deadline_s:
        await asyncio.sleep(SETTLE_POLL_S)
        now = rss_bytes(pid)
        if abs(now - last) <= SETTLED_CHANGE_BYTES:
            return now
        last = now
    raise BenchmarkFailed(f"the server's memory still moved after {SETTLE_TIMEOUT_S:.0f} s")
