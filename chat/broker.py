"""Broker: how what was committed, and what passes by, reaches every process that has listeners; here, this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from chat.store import Committed


class Ephemeral(msgspec.Struct, frozen=True):
    """Something that is shown now or never: `topic` is typing, read or replicated.

    What a `user` did is spared his own connections; what nobody did (`user` empty) is for all.
    """

    channel: str
    topic: str
    user: str = ""
    read_seq: int | None = None
    epoch: str | None = None
    replicated_seq: int | None = None


class Listener(Protocol):
    """Whoever hands on what the broker brings."""

    def committed(self, batch: Sequence[Committed]) -> None:
        """Hand on what became durable, in order."""

    def ephemeral(self, notice: Ephemeral) -> None:
        """Hand on what passes by."""


class Broker(Protocol):
    """Carries both kinds to all listeners, each batch in the order in which it was published."""

    def publish(self, batch: Sequence[Committed]) -> None:
        """Carry what became durable; called after the commit, never inside it."""

    def publish_ephemeral(self, notice: Ephemeral) -> None:
        """Carry what passes by; may be lost."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Bring everything from now on to `listener`, until the returned function is called."""


class MemoryBroker:
    """The broker of a single process: calls its listeners."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def publish(self, batch: Sequence[Committed]) -> None:
        """Carry what became durable; see Broker.publish."""
        for listener in self._listeners:
            listener.committed(batch)

    def publish_ephemeral(self, notice: Ephemeral) -> None:
        """Carry what passes by; see Broker.publish_ephemeral."""
        for listener in self._listeners:
            listener.ephemeral(notice)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Bring everything from now on to `listener`; see Broker.listen."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
