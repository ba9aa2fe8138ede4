"""Becomes another program that the kernel kills when its parent dies: `tether.py PARENT PROGRAM …`.

Run as a script, on the standard library alone. A function between fork and exec would do the same, but is not safe in a
process with threads. Where the kernel has no such promise (it is Linux's), the program just starts.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
EXIT_ORPHAN = 75


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, and become the program; exits with its name where it cannot be run."""
    parent, program = int(arguments[0]), arguments[1]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        # It died before the promise was made.
        sys.exit(EXIT_ORPHAN)
    try:
        os.execv(program, arguments[1:])  # noqa: S606 - the whole purpose; no shell
    except OSError as error:
        sys.exit(f"{program} cannot be run: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
