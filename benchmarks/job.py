"""What the orchestrator tells the load process, and what it gets back; JSON over the process's pipes."""

from __future__ import annotations

import msgspec

HOST = "127.0.0.1"
Figures = dict[str, float]


class BenchmarkFailed(Exception):
    """A run broke or was wrong, so it has no figures; the message says what was seen."""


class Seat(msgspec.Struct, frozen=True):
    """One socket to open: who sits there, by which token, in which conversation."""

    user: str
    token: str
    channel: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one scenario against one server that already stands.

    The first `senders` seats send. `audience` is how many sockets a conversation has, so how often a message
    is delivered. `settled` seats (idle scenario) are opened before memory is first read. `rate_per_s` belongs
    to the paced scenario. `messages_max` ends a loop that would otherwise run for `window_s`. `profile` is
    the file for the server's stacks in the timed window, empty for none. `beside` are other processes whose CPU is
    told apart, by name.
    """

    dialect: str
    scenario: str
    port: int
    server_pid: int
    seats: list[Seat]
    senders: int
    audience: int
    settled: int = 0
    rate_per_s: int = 0
    warm_up_s: float = 1.0
    window_s: float = 5.0
    messages_max: int = 60_000
    timeout_s: float = 60.0
    profile: str = ""
    beside: dict[str, int] = {}


class Outcome(msgspec.Struct, frozen=True):
    """The figures of one run, by name with the unit last; or why there are none."""

    figures: Figures = {}
    failure: str = ""
