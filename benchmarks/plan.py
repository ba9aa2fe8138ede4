"""What is measured: a table of plans, and how long each takes."""

from __future__ import annotations

import msgspec

MEMBERS = 10
IDLE_SETTLED_CONVERSATIONS = 10


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how much: the real thing, or a quick look.

    `steady_s` is the warm-up of plans that are `steady`: until the WAL, which grows from nothing, is written over.
    """

    rounds: int
    warm_up_s: float
    window_s: float
    idle_connections: int
    steady_s: float = 0.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement: `conversations` of `members` sockets each, of which the first `senders` send.

    `group` is the word for `--only`. `raw` says what SQLite alone does beside it: `rows` (one a commit),
    `group` (batches as they gather), or nothing when empty. A `steady` plan is about single commits: it begins when a
    commit does not lengthen the WAL any more, on any side, since that makes each a third slower for a while.
    """

    name: str
    group: str
    scenario: str
    conversations: int
    members: int
    senders: int
    rate_per_s: int = 0
    raw: str = ""
    steady: bool = False

    @property
    def sockets(self) -> int:
        """Return how many sockets are open at once."""
        return self.conversations * self.members

    def warm_up_s(self, pace: Pace) -> float:
        """Return how long it is run before it counts."""
        return max(pace.warm_up_s, pace.steady_s) if self.steady else pace.warm_up_s


FULL = Pace(rounds=3, warm_up_s=1.0, window_s=5.0, idle_connections=5000, steady_s=8.0)
QUICK = Pace(rounds=1, warm_up_s=0.3, window_s=1.5, idle_connections=500)


def plans(pace: Pace) -> list[Plan]:
    """Return all measurements in the order of the table."""
    idle = IDLE_SETTLED_CONVERSATIONS + pace.idle_connections // MEMBERS
    return [
        Plan(
            name="senders-50",
            group="messages",
            scenario="closed",
            conversations=5,
            members=MEMBERS,
            senders=50,
            raw="group",
        ),
        Plan(
            name="senders-500",
            group="messages",
            scenario="closed",
            conversations=50,
            members=MEMBERS,
            senders=500,
            raw="group",
        ),
        Plan(
            name="one-sender",
            group="latency",
            scenario="closed",
            conversations=1,
            members=MEMBERS,
            senders=1,
            raw="rows",
            steady=True,
        ),
        Plan(
            name="paced",
            group="latency",
            scenario="paced",
            conversations=5,
            members=MEMBERS,
            senders=50,
            rate_per_s=1000,
        ),
        Plan(name="fan-out", group="fan_out", scenario="fan_out", conversations=1, members=1000, senders=1),
        Plan(name="idle", group="idle", scenario="idle", conversations=idle, members=MEMBERS, senders=0),
    ]
