"""The load process: a Job comes by standard input, its Outcome goes to standard output."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import msgspec
import uvloop

from benchmarks import check
from benchmarks.crowd import Crowd
from benchmarks.dialects import DIALECTS
from benchmarks.job import BenchmarkFailed, Figures, Job, Outcome
from benchmarks.scenarios import SCENARIOS
from benchmarks.tally import Tally


def main() -> None:
    """Do one job. A failure is an outcome too: the exit code is 0 unless this program itself is broken."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    # What a run keeps is bounded by its message limit, and a collection would show as the server's latency.
    gc.disable()
    try:
        outcome = Outcome(uvloop.run(_run(job)))
    except BenchmarkFailed as error:
        outcome = Outcome(failure=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


async def _run(job: Job) -> Figures:
    crowd = Crowd(job.port, DIALECTS[job.dialect](), Tally(job.audience))
    asyncio.get_running_loop().set_exception_handler(lambda _, context: crowd.tally.fail(_broken(context)))
    try:
        figures = await SCENARIOS[job.scenario](crowd, job)
    except BenchmarkFailed as error:
        refusal = check.first_refusal(crowd)
        raise BenchmarkFailed(f"{error}; the server said: {refusal}" if refusal else str(error)) from error
    finally:
        crowd.close()
    return figures


def _broken(context: dict[str, Any]) -> BenchmarkFailed:
    error = context.get("exception")
    return BenchmarkFailed(f"the generator broke: {error!r} ({context['message']})")


if __name__ == "__main__":
    main()
