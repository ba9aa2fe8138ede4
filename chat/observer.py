"""Observer: what the chat tells of itself while it works; ops/ turns it into metrics."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Told on the hot path: every verb returns at once and never raises."""

    def committed(self, batch_size: int, commit_s: float) -> None:
        """Tell that a batch of `batch_size` drafts took `commit_s` seconds to become durable."""

    def acked(self, wait_s: float) -> None:
        """Tell that a draft was answered `wait_s` seconds after it came in."""

    def delivered(self, count: int) -> None:
        """Tell that an event was handed to `count` outboxes."""

    def recovered(self, outcome: str) -> None:
        """Tell how a recovery ended: recovered, reload, too_many or beyond_top."""

    def disconnected(self, code: int) -> None:
        """Tell that the server closed a connection with `code`."""

    def refused(self, name: str) -> None:
        """Tell that a command was answered with the catalogue's error `name`."""

    def read(self, wait_s: float, use_s: float) -> None:
        """Tell that a reading connection was waited for and used so long."""


class ReplicationObserver(Protocol):
    """Told how the watermarks move: every verb returns at once and never raises."""

    def synced(self, sync_s: float, proven: bool) -> None:
        """Tell that a sync with the replica took so long, and whether it proved anything."""

    def held(self, wait_s: float, durability: str) -> None:
        """Tell that a sender who asked for `replicated` waited so long after the commit, and what he was told."""


class NullObserver:
    """Hears everything and keeps nothing; for tools and tests."""

    def committed(self, batch_size: int, commit_s: float) -> None:
        """Ignore a batch."""

    def acked(self, wait_s: float) -> None:
        """Ignore an ack."""

    def delivered(self, count: int) -> None:
        """Ignore deliveries."""

    def recovered(self, outcome: str) -> None:
        """Ignore a recovery."""

    def disconnected(self, code: int) -> None:
        """Ignore a close."""

    def refused(self, name: str) -> None:
        """Ignore a refusal."""

    def read(self, wait_s: float, use_s: float) -> None:
        """Ignore a read."""

    def synced(self, sync_s: float, proven: bool) -> None:
        """Ignore a sync."""

    def held(self, wait_s: float, durability: str) -> None:
        """Ignore a held ack."""
