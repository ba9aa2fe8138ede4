"""Entry: the first code of ours that `palaver` runs, and what a signal does until a command takes signals over."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

EXIT_OK = 0
LASTING = frozenset({"serve", "replicate"})
"""The verbs that are ended by a signal, and by nothing else: for them that is success at any moment."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Run the command. Everything else is imported after the signals are taken, since that takes a second."""
    if sys.argv[1:2] and sys.argv[1] in LASTING:
        for number in STOP_SIGNALS:
            signal.signal(number, _leave)
    from ops.cli import main as run

    run()


@contextlib.contextmanager
def unwinding() -> Iterator[None]:
    """Let a signal end the process by way of every `finally`, where something was begun that must be cleaned up."""
    before = {number: signal.signal(number, _unwind) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: nothing is open yet. An exception could be lost here, in what imports run beside the main course."""
    os._exit(EXIT_OK)


def _unwind(number: int, frame: FrameType | None) -> None:
    sys.exit(EXIT_OK)
