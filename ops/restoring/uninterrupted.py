"""Holds back Ctrl-C and SIGTERM for a moment: between the start of a process and the block that will end it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_back() -> Iterator[Callable[[], None]]:
    """Note the signals that come, until what is yielded is called, or the block ends: then they take effect.

    Those only that are handled in Python: they raise wherever the main thread is just then.
    """
    handled = {number: signal.getsignal(number) for number in SIGNALS if callable(signal.getsignal(number))}
    if threading.current_thread() is not threading.main_thread():
        handled = {}
    noted: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        noted.append(number)

    def release() -> None:
        while handled:
            number, handler = handled.popitem()
            signal.signal(number, handler)
        while noted:
            signal.raise_signal(noted.pop())

    for number in handled:
        signal.signal(number, note)
    try:
        yield release
    finally:
        release()
