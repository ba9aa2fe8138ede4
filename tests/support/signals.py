"""What a process does with a signal, as the kernel tells it."""

from __future__ import annotations

import signal
from pathlib import Path


def catches(pid: int, number: signal.Signals) -> bool:
    """Tell whether a process has a handler of its own for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & 1 << (number - 1))
