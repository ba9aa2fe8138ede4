"""A steady beat, finer than an event loop's timers of whole milliseconds: a Linux timerfd."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable

CLOCK_MONOTONIC = 1  # linux/time.h
NS_PER_S = 1_000_000_000


class Pacer:
    """Calls back `beats` times, `rate_per_s` times a second, and catches up when the loop was late."""

    def __init__(self, rate_per_s: int, beats: int) -> None:
        self._interval_ns = NS_PER_S // rate_per_s
        self._beats = beats

    async def run(self, on_beat: Callable[[float], None], clock: Callable[[], float]) -> None:
        """Beat until done. `on_beat` gets the time on `clock`, in seconds, at which this beat was due."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        timer = _timer(self._interval_ns)
        due_s = self._due(clock())
        try:
            loop.add_reader(timer, self._beat, timer, due_s, on_beat, done)
            await done
        finally:
            loop.remove_reader(timer)
            os.close(timer)

    def _due(self, start_s: float) -> list[float]:
        interval_s = self._interval_ns / NS_PER_S
        return [start_s + number * interval_s for number in range(self._beats, 0, -1)]

    def _beat(
        self, timer: int, due_s: list[float], on_beat: Callable[[float], None], done: asyncio.Future[None]
    ) -> None:
        (expired,) = struct.unpack("Q", os.read(timer, 8))  # timerfd_create(2): how often since the last read
        for _ in range(min(expired, len(due_s))):
            on_beat(due_s.pop())
        if not due_s and not done.done():
            done.set_result(None)


def _timer(interval_ns: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    timer: int = libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    seconds, nanoseconds = divmod(interval_ns, NS_PER_S)
    setting = struct.pack(
        "4l", seconds, nanoseconds, seconds, nanoseconds
    )  # struct itimerspec: interval, first
    if timer < 0 or libc.timerfd_settime(timer, 0, setting, None) != 0:
        raise OSError(ctypes.get_errno(), "no timerfd")
    return timer
