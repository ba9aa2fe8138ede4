"""What the sides that are servers share: who sits where, and the load process that is sent against them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from benchmarks.job import BenchmarkFailed, Figures, Job, Outcome, Seat
from benchmarks.plan import IDLE_SETTLED_CONVERSATIONS, Pace, Plan
from benchmarks.process import Server

ROOT = Path(__file__).resolve().parents[2]
# Opening, the two phases' own time limits and the check; a generator that needs longer is broken.
LOAD_TIMEOUT_S = 600.0


def rooms(plan: Plan) -> list[list[str]]:
    """Return the users of each conversation; every user has one socket and sits in one conversation."""
    return [
        [f"u{number}" for number in range(start, start + plan.members)]
        for start in range(0, plan.sockets, plan.members)
    ]


def run_load(
    plan: Plan,
    pace: Pace,
    server: Server,
    dialect: str,
    seats: list[Seat],
    profile: str,
    beside: Mapping[str, int] = MappingProxyType({}),
) -> Figures:
    """Run the load process, which samples the server into `profile` if named; raises BenchmarkFailed.

    `beside` are other processes whose CPU is told apart, by name.
    """
    job = Job(
        dialect=dialect,
        scenario=plan.scenario,
        port=server.port,
        server_pid=server.pid,
        seats=seats,
        senders=plan.senders,
        audience=plan.members,
        settled=IDLE_SETTLED_CONVERSATIONS * plan.members,
        rate_per_s=plan.rate_per_s,
        warm_up_s=plan.warm_up_s(pace),
        window_s=pace.window_s,
        profile=profile,
        beside=dict(beside),
    )
    command = [sys.executable, "-m", "benchmarks.client"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        input=msgspec.json.encode(job),
        stdout=subprocess.PIPE,
        timeout=LOAD_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise BenchmarkFailed(f"the load process broke with {done.returncode}; its traceback is above")
    outcome = msgspec.json.decode(done.stdout, type=Outcome)
    if outcome.failure:
        raise BenchmarkFailed(outcome.failure)
    return outcome.figures
