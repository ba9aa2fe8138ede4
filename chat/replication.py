"""What the chat knows of replication: how each file's copy is, and how to learn that something is on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from chat.health import PartHealth

STARTING = "starting"
REPLICATING = "replicating"
LAGGING = "lagging"
STALLED = "stalled"
DOWN = "down"
REFUSED = "refused"
WELL = (STARTING, REPLICATING, LAGGING)
"""The states that need nobody: what lags has missed one proof, and gets another try within seconds."""
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


class LeaseReport(msgspec.Struct, frozen=True, kw_only=True):
    """Who may write to the place: `state` is free, held (by us, or by the `palaver replicate`
    beside us), others, lost, or none where no lease is possible.

    `weak`: the store heeds no conditions, so that two who take it in one moment are told apart late. `holder` is the
    other one. `trouble` says why the replica could not be asked.
    """

    state: str
    weak: bool = False
    holder: str = ""
    trouble: str = ""


class LitestreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the process is that copies; one that runs may copy nothing. `reason` says why it does not, or last ended."""

    running: bool
    pid: int = 0
    since_ms: int = 0
    restarts: int = 0
    reason: str = ""


class ReplicationReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of replication. `parts` are what else endangers it: WALs that grow, readers that do not end.

    `heartbeats` counts those that reached the replica since the start, `failures` those that did not in time.
    """

    on: bool
    target: str = ""
    files: list[Replica] = []
    lease: LeaseReport = LeaseReport(state="none")
    litestream: LitestreamReport = LitestreamReport(running=False)
    heartbeats: int = 0
    failures: int = 0
    parts: list[PartHealth] = []

    def health(self) -> list[PartHealth]:
        """Say how each copy is, as a part of the server; chat goes on without any of them."""
        return [*(_part(replica) for replica in self.files), *self.parts]


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


def _part(replica: Replica) -> PartHealth:
    return PartHealth(
        part=f"replication of {replica.file.removesuffix('.db')}",
        ok=replica.state in WELL,
        reason=f"{replica.state}: {replica.reason}" if replica.reason else "",
        since_ms=replica.since_ms,
        critical=False,
    )
