"""One subscriber of one conversation over as many connections as it takes; the ledger hears what it saw."""

from __future__ import annotations

from typing import Any

from tests.faults.ledger import Ledger

RECOVER_EVENTS_MAX = 500
"""Who missed more events than this may be told to reload (the server's default)."""
RESUBSCRIBE_MIN = 2500
"""From this code on the end of a subscription asks the client to subscribe again."""
Json = dict[str, Any]


class Follower:
    """Starts before the first event. `shows_seen`: it names the highest row it shows, as clients should."""

    def __init__(self, name: str, conversation: str, ledger: Ledger, shows_seen: bool) -> None:
        self.name = name
        self.conversation = conversation
        self.subscribed = False
        self.recoveries = 0
        self._ledger = ledger
        self._shows_seen = shows_seen
        self._epoch = ""
        self._seen: Json = {"seq": 0, "epoch": ""}

    @property
    def offset(self) -> int:
        """Return the offset of the newest event seen."""
        return self._ledger.position(self.name, self.conversation)

    def claim(self) -> Json:
        """Return the fields of the subscribe command that asks to go on from here."""
        fields: Json = {"recover": True, "epoch": self._epoch, "offset": self.offset}
        return fields | ({"data": {"seen": self._seen}} if self._shows_seen else {})

    def observe(self, kind: str, item: Json) -> None:
        """Take what the wire brought: a subscribe result, a publication, or another push."""
        if kind == "subscribed":
            self._subscribed(item)
        elif kind == "pub" and item.get("offset"):
            self._deliver(item)
        elif kind == "unsubscribe":
            self._unsubscribed(item)

    def _unsubscribed(self, push: Json) -> None:
        self.subscribed = False
        if push["code"] < RESUBSCRIBE_MIN:
            self._ledger.violate(f"{self.name} was unsubscribed from {self.conversation}: {push}")

    def _subscribed(self, result: Json) -> None:
        self.subscribed = True
        if result.get("recovered"):
            self.recoveries += 1
        else:
            self._ledger.reloaded(self.name, self.conversation, result["offset"], RECOVER_EVENTS_MAX)
            self._seen = result["data"]["top"]
        self._epoch = result["epoch"]
        for publication in result.get("publications", []):
            self._deliver(publication)

    def _deliver(self, publication: Json) -> None:
        event = publication["data"]
        self._ledger.delivered(self.name, self.conversation, publication["offset"], event)
        shown = {"seq": event.get("changed_seq", event["seq"]), "epoch": event["epoch"]}
        self._seen = max(self._seen, shown, key=lambda row: int(row["seq"]))
