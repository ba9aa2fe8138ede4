"""What the chat knows of replication: how each file's copy is, and how to learn that something is on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

STARTING = "starting"
REPLICATING = "replicating"
LAGGING = "lagging"
STALLED = "stalled"
DOWN = "down"
REFUSED = "refused"
STATES = (STARTING, REPLICATING, LAGGING, STALLED, DOWN, REFUSED)

COMMITTED = "committed"
REPLICATED = "replicated"
DURABILITIES = (COMMITTED, REPLICATED)


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """How the copy of one database file is. Times are Unix milliseconds.

    `reason` says why the state is not `replicating`. Everything committed before `proven_ms` is on the replica; 0 where
    nothing was proven since the start. `target` is the place without credentials.
    """

    file: str
    state: str
    since_ms: int
    target: str
    reason: str = ""
    proven_ms: int = 0


class Replicator(Protocol):
    """Whatever copies the database files; the supervisor of Litestream is one."""

    def replicas(self) -> Sequence[Replica]:
        """Say how each file's copy is; empty where replication is off."""

    async def sync(self, persona: str) -> bool:
        """Copy what stands in a persona's file now.

        True says that everything committed before the call is on the replica; False says nothing, and comes within the
        time limit of a sync. One call per file at a time; never raises.
        """


class NoReplicator:
    """Replication is off: nothing is ever on a replica."""

    def replicas(self) -> Sequence[Replica]:
        """Return none."""
        return ()

    async def sync(self, persona: str) -> bool:
        """Prove nothing."""
        return False
