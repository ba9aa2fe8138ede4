"""Waiting for a condition with a deadline, which is how the tests wait for anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Seen = TypeVar("Seen")
STEP_S = 0.01
TIMEOUT_S = 30.0


async def until(look: Callable[[], Seen | None], what: str, timeout_s: float = TIMEOUT_S) -> Seen:
    """Return the first true value of `look`; raises TimeoutError that says `what` was waited for."""

    async def looked() -> Seen | None:
        return look()

    return await until_awaited(looked, what, timeout_s)


async def until_awaited(
    look: Callable[[], Awaitable[Seen | None]], what: str, timeout_s: float = TIMEOUT_S
) -> Seen:
    """Do as `until` does with a coroutine function. The last value seen stands in the error."""
    deadline_s = time.monotonic() + timeout_s
    while not (seen := await look()):
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}; last saw {seen!r}")
        await asyncio.sleep(STEP_S)
    return seen
