"""The locks of a data folder: while they are held, no server writes to these files and nothing copies them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ops.restoring.refusal import Refused

FOLDER_MODE = 0o700
SUPERVISOR = "litestream"
ALONE = "restore.lock"
STOP = "Stop it first (kill {pid}, or systemctl stop {unit}), and start it again afterwards"
SERVER_UNIT = "palaver"
SUPERVISOR_UNIT = "palaver-replicate"
# Held by a supervisor that is a process of its own.
TELLER = "told.lock"


@contextmanager
def held(data: Path, files: Sequence[str]) -> Iterator[None]:
    """Hold the lock of each database, that of the replication, and the one that keeps two restores apart.

    A server that has none of these files open may go on where its replication, a process of its own, is stopped. Raises
    Refused with the pid of who has one.
    """
    data.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    with ExitStack() as stack:
        for file in sorted(set(files)):
            stack.enter_context(_lock(data / f"{file}.lock", f"{data / file} is served"))
        supervisor = data / SUPERVISOR
        supervisor.mkdir(mode=FOLDER_MODE, exist_ok=True)
        unit = SERVER_UNIT if holder(supervisor / TELLER) is None else SUPERVISOR_UNIT
        stack.enter_context(_lock(supervisor / "lock", f"The replication of {data} is supervised", unit))
        _refuse_orphan(supervisor)
        stack.enter_context(alone(data))
        yield


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold what keeps two restores of one data folder apart; raises Refused with the pid of who has it."""
    with _lock(data / ALONE, f"A restore of {data} is run"):
        yield


def server_of(database: Path) -> int | None:
    """Return the pid of the process that serves a database file, 0 for an unknown one, None where none does.

    The lock tells, and not the pid in it: that may be of a server that was killed, and another process's by now, as in
    a container, where each start has the same pids.
    """
    return holder(database.with_name(f"{database.name}.lock"))


def holder(lock: Path) -> int | None:
    """Return the pid of the process that holds a lock, 0 for an unknown one, None where nobody does."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid_in(descriptor)
    finally:
        os.close(descriptor)
    return None


@contextmanager
def _lock(path: Path, what: str, unit: str = SERVER_UNIT) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _held_by(what, _pid_in(descriptor), unit) from error
        os.ftruncate(descriptor, 0)
        # On a full disk nobody is told the pid; what is too little room for a restore is told next, in a sentence.
        with suppress(OSError):
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _refuse_orphan(supervisor: Path) -> None:
    """Refuse while a litestream of a supervisor that died still copies."""
    try:
        pid = int((supervisor / "child").read_text(encoding="ascii"))
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return
    if b"replicate" in words and any(word.startswith(os.fsencode(supervisor) + b"/") for word in words):
        raise _held_by("A litestream that its supervisor left behind is run", pid)


def _pid_in(descriptor: int) -> int:
    text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
    return int(text) if text.isdigit() else 0


def _held_by(what: str, pid: int, unit: str = SERVER_UNIT) -> Refused:
    shown = pid or "unknown"
    return Refused(f"{what} by the process with pid {shown}. {STOP.format(pid=shown, unit=unit)}.")
