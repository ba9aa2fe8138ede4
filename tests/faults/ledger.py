"""The ledger of a crash test: what was sent, acknowledged and delivered, held against what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Json = dict[str, Any]
MESSAGE = "message"
EDITED = "message.edited"


class Identity(NamedTuple):
    """What is done once only: one author's key in one conversation."""

    conversation: str
    author: str
    key: str


class Row(NamedTuple):
    """One stored event of a conversation, as the database has it. `key` is "" where none was given."""

    seq: int
    kind: str
    author: str
    key: str
    epoch: str
    content: str | None = None
    changed_seq: int = 0


class Ledger:
    """Finds every way in which a promise was broken and keeps each as a sentence in `violations`."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.drafts: dict[Identity, str] = {}
        self.acks: dict[Identity, int] = {}
        self.duplicates = 0
        self.deliveries = 0
        self._events: dict[str, dict[int, Json]] = {}
        self._positions: dict[tuple[str, str], int] = {}

    def sent(self, identity: Identity, content: str) -> None:
        """Note that something is about to be sent for the first time."""
        self.drafts[identity] = content

    def acked(self, identity: Identity, ack: Json) -> None:
        """Note an acknowledgement; every later one must be the same."""
        first = self.acks.setdefault(identity, ack["seq"])
        self.duplicates += bool(ack["duplicate"])
        if first != ack["seq"]:
            self.violate(f"{identity} was acknowledged as {first} and then as {ack['seq']}")

    def refused(self, identity: Identity, reason: str) -> None:
        """Note that a draft was refused for good, which nothing here deserves."""
        self.violate(f"{identity} was refused: {reason}")

    def delivered(self, subscriber: str, conversation: str, offset: int, event: Json) -> None:
        """Note an event at `offset`; it must be the one after this subscriber's last."""
        self.deliveries += 1
        place = (subscriber, conversation)
        last = self._positions.get(place, 0)
        if offset != last + 1:
            kind = "a gap" if offset > last else "a repeat or a disorder"
            self.violate(f"{subscriber} saw {kind} in {conversation}: {offset} after {last}")
        if event["seq"] != offset:
            self.violate(f"the event at offset {offset} of {conversation} says seq {event['seq']}")
        self._positions[place] = offset
        self._agree(conversation, offset, event)

    def reloaded(self, subscriber: str, conversation: str, top: int, missed_max: int) -> None:
        """Note that a subscriber was told to reload: right only if it missed more than `missed_max`."""
        missed = top - self.position(subscriber, conversation)
        if missed <= missed_max:
            self.violate(f"{subscriber} had to reload {conversation} for {missed} events")
        self._positions[subscriber, conversation] = top

    def position(self, subscriber: str, conversation: str) -> int:
        """Return the offset of the newest event that a subscriber has seen."""
        return self._positions.get((subscriber, conversation), 0)

    def check(self, stored: Mapping[str, Sequence[Row]]) -> None:
        """Hold all that was acknowledged or delivered so far against the rows of every conversation."""
        for conversation, rows in stored.items():
            self._check_dense(conversation, rows)
            self._check_once(conversation, rows)
            self._check_sent(conversation, rows)
            self._check_delivered(conversation, {row.seq: row for row in rows})
        self._check_acked(stored)

    def check_complete(self, stored: Mapping[str, Sequence[Row]]) -> None:
        """Check a run's end: all that was sent was acknowledged, all subscribers have come to the top."""
        for identity in self.drafts.keys() - self.acks.keys():
            self.violate(f"{identity} was never acknowledged")
        for (subscriber, conversation), position in self._positions.items():
            if position != len(stored[conversation]):
                top = len(stored[conversation])
                self.violate(f"{subscriber} stands at {position} of {top} in {conversation}")

    def violate(self, sentence: str) -> None:
        """Keep a broken promise."""
        self.violations.append(sentence)

    def _agree(self, conversation: str, offset: int, event: Json) -> None:
        known = self._events.setdefault(conversation, {}).setdefault(offset, event)
        if identity_of(known) != identity_of(event):
            self.violate(f"two events at {offset} of {conversation}: {known} and {event}")

    def _check_dense(self, conversation: str, rows: Sequence[Row]) -> None:
        seqs = [row.seq for row in rows]
        if seqs != list(range(1, len(seqs) + 1)):
            self.violate(f"the seqs of {conversation} are not dense: {_first_irregular(seqs)}")

    def _check_once(self, conversation: str, rows: Sequence[Row]) -> None:
        keys = Counter((row.kind == MESSAGE, row.author, row.key) for row in rows if row.key)
        for (_, author, key), times in keys.items():
            if times > 1:
                self.violate(f"{author}'s {key} is stored {times} times in {conversation}")

    def _check_sent(self, conversation: str, rows: Iterable[Row]) -> None:
        for row in rows:
            if row.kind in (MESSAGE, EDITED):
                draft = self.drafts.get(Identity(conversation, row.author, row.key))
                unchanged = row.changed_seq == row.seq
                if draft is None or (unchanged and row.content != draft):
                    self.violate(f"{conversation} has {row}, which nobody sent")

    def _check_acked(self, stored: Mapping[str, Sequence[Row]]) -> None:
        places = {(name, row.author, row.key): row.seq for name, rows in stored.items() for row in rows}
        for identity, seq in self.acks.items():
            found = places.get(identity)
            if found != seq:
                self.violate(f"{identity} was acknowledged as {seq} and is stored as {found}")

    def _check_delivered(self, conversation: str, rows: Mapping[int, Row]) -> None:
        for offset, event in self._events.get(conversation, {}).items():
            row = rows.get(offset)
            if row is None or not _shows(event, row):
                self.violate(f"{conversation} pushed {event}, but has {row}: it was not committed")


def identity_of(event: Json) -> tuple[object, ...]:
    """Name what an event is about, the same before and after a later edit."""
    author = event.get("sender", event.get("actor"))
    return event["type"], event["seq"], author, event.get("client_message_id"), event.get("message_seq")


def _shows(event: Json, row: Row) -> bool:
    if event["type"] != row.kind or event.get("sender", event.get("actor")) != row.author:
        return False
    if event["type"] == MESSAGE and event["client_message_id"] != row.key:
        return False
    # An event shows its message's state of the moment; all is equal only where neither has changed since.
    if event.get("changed_seq", event["seq"]) != event["seq"]:
        return True
    return event["epoch"] == row.epoch and (row.changed_seq != row.seq or event.get("content") == row.content)


def _first_irregular(seqs: Sequence[int]) -> str:
    for expected, seq in enumerate(seqs, start=1):
        if seq != expected:
            return f"{seq} where {expected} should be"
    return "none"
