"""From what was counted to the figures of a run."""

from __future__ import annotations

import asyncio
import statistics

from benchmarks import check
from benchmarks.crowd import Crowd
from benchmarks.job import BenchmarkFailed, Figures
from benchmarks.process import Usage

# How long a surplus delivery has to arrive and be found out.
QUIET_S = 0.3
US_PER_S = 1e6
MS_PER_S = 1e3


async def verified_latencies(crowd: Crowd) -> list[float]:
    """Wait for what may still come, check everything, and return the latencies of acks in seconds."""
    await asyncio.sleep(QUIET_S)
    return check.verify(crowd)


def per_message(usage: Usage, latencies_s: list[float]) -> Figures:
    """Return rate, CPU and latency of the messages in a window."""
    if not latencies_s:
        raise BenchmarkFailed("no message was acked in the timed window")
    messages = len(latencies_s)
    return {
        "messages": messages,
        "messages_per_s": messages / usage.wall_s,
        "cpu_us_per_message": US_PER_S * usage.server_s / messages,
        **{f"{name}_us_per_message": US_PER_S * used_s / messages for name, used_s in usage.beside_s.items()},
        **percentiles_ms(latencies_s),
        **usage.shares(),
    }


def percentiles_ms(latencies_s: list[float]) -> Figures:
    """Return median, 95th and 99th percentile in milliseconds."""
    ordered = sorted(latencies_s)
    return {
        "ack_p50_ms": MS_PER_S * statistics.median(ordered),
        "ack_p95_ms": MS_PER_S * ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
        "ack_p99_ms": MS_PER_S * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
    }
