"""Messages under replication: what each costs the server, and how long an ack waits for the replica."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from benchmarks.job import HOST, Figures, Seat
from benchmarks.plan import Pace, Plan
from benchmarks.process import Server, child_of, free_port
from benchmarks.replication.place import OFF, Place
from benchmarks.replication.proof import until_proven
from benchmarks.sides.palaver import command, environment, seats_of
from benchmarks.sides.serving import rooms, run_load

MS_PER_S = 1e3
COST = Plan(name="cost", group="cost", scenario="closed", conversations=5, members=10, senders=50)
ACK = Plan(name="ack", group="ack", scenario="paced", conversations=5, members=10, senders=50, rate_per_s=500)


def measure_cost(pace: Pace, place: Place, folder: Path) -> Figures:
    """Run 50 senders in a closed loop, acked when committed."""
    with _served(COST, place, folder) as (server, seats):
        return run_load(COST, pace, server, "palaver", seats, "", _beside(server, place))


def measure_ack(pace: Pace, place: Place, folder: Path) -> Figures:
    """Run 500 messages a second, each acked when it is on the replica; where there is none, when committed."""
    dialect = "palaver" if place.name == OFF else "palaver_replicated"
    with _served(ACK, place, folder) as (server, seats):
        before = _syncs(server.port)
        figures = run_load(ACK, pace, server, dialect, seats, "", _beside(server, place))
        count, took_s = (after - was for after, was in zip(_syncs(server.port), before, strict=True))
    return {**figures, "sync_mean_ms": MS_PER_S * took_s / count} if count else figures


@contextmanager
def _served(plan: Plan, place: Place, folder: Path) -> Iterator[tuple[Server, list[Seat]]]:
    port = free_port()
    env = environment(folder / "data", port, place.settings)
    with Server([*command(), "serve"], env, folder, port, "/readyz") as server:
        seats = seats_of(rooms(plan), env, port)
        if place.name != OFF:
            until_proven(env, port)
        yield server, seats


def _beside(server: Server, place: Place) -> dict[str, int]:
    """Name the processes whose CPU is told apart: Litestream, and the store."""
    if place.name == OFF:
        return {}
    beside = {"litestream": child_of(server.pid, "litestream")}
    return {**beside, "store": place.pid} if place.pid else beside


def _syncs(port: int) -> tuple[float, float]:
    """Return how many syncs acks and watermarks have asked for, and the seconds that they took."""
    text = httpx2.get(f"http://{HOST}:{port}/metrics", trust_env=False, verify=False).text
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return float(found["palaver_sync_seconds_count"]), float(found["palaver_sync_seconds_sum"])
