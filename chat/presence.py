"""Presence: who is here, and who types. Both are true for the moment only and are kept nowhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import msgspec

from chat.hub import Hub

REMEMBERED_MAX = 100_000


class Present(msgspec.Struct, frozen=True):
    """One user who listens to a conversation now, over so many connections."""

    user: str
    connections: int


class Presence(msgspec.Struct, frozen=True):
    """Who listens to a conversation now, in order of coming."""

    items: list[Present]


def present(hub: Hub, channel: str) -> Presence:
    """Count the connections of each user that listens to `channel`."""
    counted = Counter(
        subscription.client.user.id for subscription in hub.listeners(channel) if subscription.live
    )
    return Presence([Present(user, connections) for user, connections in counted.items()])


class Typing:
    """Passes a user's typing on once per interval and conversation; what comes in between says nothing new."""

    def __init__(self, interval_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._told_s: dict[tuple[str, str], float] = {}

    def is_news(self, user: str, conversation_id: str) -> bool:
        """Tell whether to pass it on now."""
        now_s = self._clock()
        key = (user, conversation_id)
        told_s = self._told_s.get(key)
        if told_s is not None and now_s - told_s < self._interval_s:
            return False
        if len(self._told_s) >= REMEMBERED_MAX:
            self._told_s.clear()  # at the worst, somebody's typing is told twice
        self._told_s[key] = now_s
        return True
