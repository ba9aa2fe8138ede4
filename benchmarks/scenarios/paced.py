"""Open loop: messages leave at a fixed rate whatever happens; latency counts from when each was due."""

from __future__ import annotations

import time
from itertools import cycle

from benchmarks.crowd import Crowd
from benchmarks.job import Figures, Job
from benchmarks.pacer import Pacer
from benchmarks.process import Meter
from benchmarks.profiler import beside
from benchmarks.scenarios.figures import per_message, verified_latencies


async def paced(crowd: Crowd, job: Job) -> Figures:
    """Open, warm up at the same rate, and measure; the senders take turns."""
    await crowd.open(job.seats)
    await _drive(crowd, job, job.warm_up_s)
    crowd.start_measuring()
    with beside(job.server_pid, job.profile):
        meter = Meter(job.server_pid, job.beside)
        await _drive(crowd, job, job.window_s)
        usage = meter.usage()
    return per_message(usage, await verified_latencies(crowd))


async def _drive(crowd: Crowd, job: Job, duration_s: float) -> None:
    senders = cycle(crowd.connections[: job.senders])
    pacer = Pacer(job.rate_per_s, int(duration_s * job.rate_per_s))
    await pacer.run(lambda due_s: next(senders).send(due_s), time.perf_counter)
    await crowd.tally.settled(job.timeout_s)
