"""How the litestream process is: what the supervisor tells whoever judges replication."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from ops.supervising.control_socket import SyncOutcome


class LitestreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The process, not the copy: one that runs may copy nothing. Times are Unix milliseconds.

    `since_ms` is when it began to run, or stopped running. `restarts` counts starts after the first. `reason` says why
    it does not run, or why the one before ended. `files` are those in its care, `copying` those that were exchanged and
    are not in its care until a whole new copy of them is made.
    """

    running: bool
    pid: int = 0
    since_ms: int = 0
    restarts: int = 0
    reason: str = ""
    files: tuple[str, ...] = ()
    copying: tuple[str, ...] = ()


class Supervisor(Protocol):
    """Whoever has litestream running: this process, or another one beside it."""

    @property
    def status(self) -> LitestreamStatus:
        """Say how the process is."""

    async def run(self) -> None:
        """Do the work until `stop`; a task of its own."""

    async def sync(self, file: Path, timeout_s: float) -> SyncOutcome:
        """Copy what is committed in `file` now, and wait until it is on the replica; never raises."""

    async def restart(self, reason: str) -> None:
        """Ask for a fresh process; returns at once."""

    async def let_go(self, file: Path, timeout_s: float) -> None:
        """Keep litestream from a file that is about to be exchanged; never raises.

        Should it have the file all the same, the exchange is noticed within a second, and mended by a whole copy.
        """

    async def stop(self) -> None:
        """Copy what was written last, end the process, and return when it is gone; bounded by `replica_stop_s`."""
