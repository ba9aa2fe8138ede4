"""Holder: who holds a lease, and whether he is dead for certain."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

import msgspec

ID_BYTES = 8
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
ENDED = "ZXx"
STARTED_FIELD = 18  # counted from the one after the state: proc(5)'s 22nd
PID_NAMESPACE = "/proc/self/ns/pid"


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """One process that wants to replicate. `id` is its own alone.

    `machine` names the running kernel and the pid namespace, empty where the system tells neither: two holders of one
    machine see the same pids. `started` tells a process from a later one with its pid.
    """

    id: str
    host: str
    pid: int
    machine: str = ""
    started: str = ""
    data: str = ""

    def __str__(self) -> str:
        """Name the process as an operator finds it."""
        return f"process {self.pid} on {self.host}" + (f" ({self.data})" if self.data else "")


def this_process(data: Path) -> Holder:
    """Describe the calling process, which serves the folder `data`, under a new id."""
    return Holder(
        id=secrets.token_hex(ID_BYTES),
        host=socket.gethostname(),
        pid=os.getpid(),
        machine=_machine(),
        started=_started(os.getpid()),
        data=str(data.absolute()),
    )


def is_dead(holder: Holder, here: Holder) -> bool:
    """Tell whether `holder` runs no more for certain; of another machine than `here` nobody can know."""
    if not here.machine or holder.machine != here.machine or holder.id == here.id:
        return False
    started = _started(holder.pid)
    return started != holder.started and not (started == "" and _is_hidden(holder.pid))


def _machine() -> str:
    try:
        return f"{BOOT_ID.read_text().strip()}/{os.readlink(PID_NAMESPACE)}"
    except OSError:
        return ""


def _is_hidden(pid: int) -> bool:
    """Tell whether a process runs that /proc does not show us, as another user's where it is mounted with hidepid."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _started(pid: int) -> str:
    """Return when a process started, in ticks since the boot; empty where there is none, or it has ended.

    Only asked on systems that have /proc: on others no machine has a name.
    """
    try:
        # The second field is the program's name in parentheses, with whatever it likes inside.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in ENDED else fields[STARTED_FIELD]
