"""TokenBuckets: how often each user or address may do something, in a bounded amount of memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

KEYS_MAX = 50_000
LOOKED_AT_MAX = 8
"""How many of the oldest buckets are looked at to find room for a new one."""

ROUNDING_S = 1e-6
"""Whoever waits as long as he was told must not be told to wait for what floating point left over."""


class TokenBuckets:
    """One bucket per key: `burst` at once, then `rate_per_s`. Works on the monotonic clock, in one thread.

    At most `keys_max` keys are kept. For one more, a bucket that is full again goes, which is as good as new;
    if LOOKED_AT_MAX of the oldest are all in use, the next is forgotten, and its key may burst again.
    """

    def __init__(
        self,
        rate_per_s: float,
        burst: int,
        keys_max: int = KEYS_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if rate_per_s <= 0 or burst < 1 or keys_max < 1:
            raise ValueError("a rate above 0, a burst and a number of keys of at least 1 are needed")
        self._interval_s = 1 / rate_per_s
        self._slack_s = (burst - 1) / rate_per_s
        self._keys_max = keys_max
        self._clock = clock
        # GCRA: a bucket is one number, the moment at which it will be full again.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how many keys are kept."""
        return len(self._full_at)

    def take(self, key: str) -> float:
        """Take one from the bucket of `key`: 0.0, or if it is empty the seconds after which it has one."""
        now = self._clock()
        full_at = self._full_at.get(key)
        if full_at is None:
            if len(self._full_at) >= self._keys_max:
                self._make_room(now)
            full_at = now
        wait_s = full_at - now - self._slack_s
        if wait_s > ROUNDING_S:
            return wait_s
        self._full_at[key] = max(full_at, now) + self._interval_s
        return 0.0

    def _make_room(self, now: float) -> None:
        for _ in range(LOOKED_AT_MAX):
            key, full_at = self._full_at.popitem(last=False)
            if full_at <= now:
                return
            self._full_at[key] = full_at
        self._full_at.popitem(last=False)
