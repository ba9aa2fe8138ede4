"""The supervisor's lock: one supervisor for one data folder, and no litestream left over from one that died."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path

ORPHAN_TIMEOUT_S = 5.0
ORPHAN_STEP_S = 0.02
PROC = Path("/proc")


class SupervisedElsewhere(Exception):
    """Another process supervises the replication of this folder; the message says which, and what to do."""


class SupervisorLock:
    """An exclusive lock on `<folder>/lock`, with the holder's pid in it, and the child's in `<folder>/child`.

    The kernel frees the lock when its holder ends, however it ends; the lock is not handed on to children.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._child = folder / "child"
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock, and end what a dead holder left running; raises SupervisedElsewhere. False if it is ours."""
        if self._descriptor is not None:
            return False
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise SupervisedElsewhere(
                f"The replication of {self._folder.parent} is already supervised by the process with pid {holder}. "
                f"Stop that one (kill {holder}); or, if it is palaver replicate, start the server with "
                "PALAVER_REPLICATE=alongside."
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        self._end_orphan()
        return True

    def note_child(self, pid: int) -> None:
        """Write down which process we started, for whoever comes after us."""
        self._child.write_text(f"{pid}\n")

    def forget_child(self) -> None:
        """Write down that the child is gone."""
        self._child.unlink(missing_ok=True)

    def release(self) -> None:
        """Give the lock back; its file stays, since removing it would let two processes lock two files of one name."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def _end_orphan(self) -> None:
        """Kill the child of a holder that died, where the kernel did not: it would steal our socket, and copy too."""
        with contextlib.suppress(OSError, ValueError):
            pid = int(self._child.read_text())
            deadline_s = time.monotonic() + ORPHAN_TIMEOUT_S
            while _is_ours(pid, self._folder) and time.monotonic() < deadline_s:
                os.kill(pid, signal.SIGKILL)
                time.sleep(ORPHAN_STEP_S)
        self.forget_child()


def _is_ours(pid: int, folder: Path) -> bool:
    """Tell by its command line whether a process is a litestream of this folder: its number may be another's by now."""
    words = _command_line(pid)
    return b"replicate" in words and os.fsencode(folder) + b"/" in words


def _command_line(pid: int) -> bytes:
    """Return what a process was started as, empty for none. Where there is no /proc, on macOS, `ps` knows it."""
    if not (PROC / "self").exists():
        ps = ("ps", "-ww", "-o", "command=", "-p", str(pid))
        return subprocess.run(ps, capture_output=True, check=False).stdout  # noqa: S603 - a number alone is put in
    try:
        return (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""
