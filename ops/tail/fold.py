"""Which change of a message wins: the one with the higher changed_seq, whatever comes first."""

from __future__ import annotations

from ops.tail.effects import Draw, Kind
from ops.tail.wire import Event

FOLDED_MAX = 10_000
"""Messages whose newest change is remembered; beyond, the one that was met longest ago is forgotten."""

EDITED = "message.edited"
RESTORED = "message.restored"
"""Both carry the message's state of today."""


class Fold:
    """The newest change of each message that was met."""

    def __init__(self) -> None:
        self._versions: dict[int, int] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._versions.clear()

    def draws(self, event: Event) -> list[Draw]:
        """Return what this event changes on the screen: one thing, or nothing where it is known already."""
        match event.type:
            case "message":
                return self._message(event)
            case "message.edited" | "message.deleted" | "message.restored":
                return self._change(event)
        return [Draw(Kind.ADDED, event)]

    def _message(self, event: Event) -> list[Draw]:
        known = event.about in self._versions
        if not self._advances(event):
            return []
        return [Draw(Kind.CHANGED if known else Kind.ADDED, event)]

    def _change(self, event: Event) -> list[Draw]:
        # The text of this edit is gone, since a later change erased it. That one has an event of its own
        # on the way, which must find the message unchanged, so nothing is noted here.
        if event.type in (EDITED, RESTORED) and event.content is None:
            return []
        return [Draw(Kind.CHANGED, event)] if self._advances(event) else []

    def _advances(self, event: Event) -> bool:
        if event.version <= self._versions.get(event.about, 0):
            return False
        self._versions[event.about] = event.version
        if len(self._versions) > FOLDED_MAX:
            del self._versions[next(iter(self._versions))]
        return True
