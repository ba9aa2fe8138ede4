"""Fan-out: one message at a time to a big conversation; the next leaves when the last member has it."""

from __future__ import annotations

import statistics
import time

from benchmarks.crowd import Crowd
from benchmarks.job import Figures, Job
from benchmarks.process import Meter
from benchmarks.profiler import beside
from benchmarks.scenarios.figures import MS_PER_S, US_PER_S, verified_latencies


async def fan_out(crowd: Crowd, job: Job) -> Figures:
    """Open, warm up, and send until the window is over; figures are per delivery."""
    await crowd.open(job.seats)
    await _drive(crowd, job, job.warm_up_s)
    crowd.start_measuring()
    with beside(job.server_pid, job.profile):
        meter = Meter(job.server_pid)
        rounds_s = await _drive(crowd, job, job.window_s)
        usage = meter.usage()
    await verified_latencies(crowd)
    deliveries = len(rounds_s) * job.audience
    return {
        "deliveries": deliveries,
        "deliveries_per_s": deliveries / usage.wall_s,
        "cpu_us_per_delivery": US_PER_S * usage.server_s / deliveries,
        "last_delivery_p50_ms": MS_PER_S * statistics.median(rounds_s),
        **usage.shares(),
    }


async def _drive(crowd: Crowd, job: Job, duration_s: float) -> list[float]:
    """Return how long each message took to reach the last member, in seconds."""
    sender = crowd.connections[0]
    until_s = time.perf_counter() + duration_s
    rounds_s: list[float] = []
    while time.perf_counter() < until_s and len(rounds_s) < job.messages_max:
        start_s = time.perf_counter()
        sender.send(start_s)
        await crowd.tally.settled(job.timeout_s)
        rounds_s.append(time.perf_counter() - start_s)
    return rounds_s
