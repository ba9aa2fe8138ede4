"""Closed loop: each sender has one message under way and sends the next one when it is acked."""

from __future__ import annotations

import time

from benchmarks.connection import Connection
from benchmarks.crowd import Crowd
from benchmarks.job import Figures, Job
from benchmarks.process import Meter
from benchmarks.profiler import beside
from benchmarks.scenarios.figures import per_message, verified_latencies


async def closed(crowd: Crowd, job: Job) -> Figures:
    """Open, warm up, send for the window; CPU counts from the first send to the last delivery."""
    await crowd.open(job.seats)
    await _drive(crowd, job, job.warm_up_s)
    crowd.start_measuring()
    with beside(job.server_pid, job.profile):
        meter = Meter(job.server_pid, job.beside)
        await _drive(crowd, job, job.window_s)
        usage = meter.usage()
    return per_message(usage, await verified_latencies(crowd))


async def _drive(crowd: Crowd, job: Job, duration_s: float) -> None:
    until_s = time.perf_counter() + duration_s
    sent_max = crowd.tally.sent + job.messages_max

    def go_on(connection: Connection, now_s: float) -> None:
        if now_s < until_s and crowd.tally.sent < sent_max:
            connection.send(now_s)

    for sender in crowd.connections[: job.senders]:
        sender.on_ack = go_on
        sender.send(time.perf_counter())
    await crowd.tally.settled(duration_s + job.timeout_s)
