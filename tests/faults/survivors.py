"""What must survive the loss of a machine: the ledger of acks by what they promised, and the doors that ask for it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.faults.ledger import Identity, Json, Ledger, Row, identity_of
from tests.faults.people import SocketDoor, TryAgainError

REPLICATED = "replicated"


class Loss(NamedTuple):
    """What one loss of a machine took of the acks that promised no more than this machine."""

    acks: int
    age_s: float
    """How long before the loss the oldest of them was given, seconds."""


class SureDoor(SocketDoor):
    """Keeps every draft until its ack says `replicated`."""

    async def send(self, conversation: str, key: str, content: str) -> Json:
        draft = {"conversation_id": conversation, "client_message_id": key, "content": content}
        ack = await self._call("send", draft | {"durability": REPLICATED})
        if ack["durability"] != REPLICATED:
            raise TryAgainError("stored, not yet replicated")
        return ack


class SurvivalLedger(Ledger):
    """A ledger over restores: `acks` are those that said `replicated`; the others may be lost with a machine."""

    def __init__(self) -> None:
        super().__init__()
        self.plain: dict[Identity, tuple[int, float]] = {}
        self.losses: list[Loss] = []
        self._shown: dict[tuple[str, str], dict[int, tuple[object, ...]]] = {}
        self._losses_known: dict[tuple[str, str], int] = {}

    def acked(self, identity: Identity, ack: Json) -> None:
        if ack["durability"] == REPLICATED:
            super().acked(identity, ack)
        else:
            self.duplicates += bool(ack["duplicate"])
            self.plain[identity] = (ack["seq"], time.monotonic())

    def delivered(self, subscriber: str, conversation: str, offset: int, event: Json) -> None:
        super().delivered(subscriber, conversation, offset, event)
        self._shown.setdefault((subscriber, conversation), {})[offset] = _row_of(event)

    def reloaded(self, subscriber: str, conversation: str, top: int, missed_max: int) -> None:
        """Note that a subscriber draws everything anew; right once after every loss, and else as always."""
        place = (subscriber, conversation)
        if self._losses_known.get(place, 0) == len(self.losses):
            super().reloaded(subscriber, conversation, top, missed_max)
        self._losses_known[place] = len(self.losses)
        self._positions[place] = top
        self._shown[place] = {}

    def lost(self, stored: Mapping[str, Sequence[Row]], lost_s: float) -> None:
        """Hold what was restored against what was promised, and forget what only the lost machine had."""
        self._check_acked(stored)
        there = {
            Identity(name, row.author, row.key): row.seq for name, rows in stored.items() for row in rows
        }
        gone = {identity: at for identity, at in self.plain.items() if there.get(identity) != at[0]}
        ages_s = [lost_s - acked_s for _, acked_s in gone.values()]
        self.losses.append(Loss(len(gone), max(ages_s, default=0.0)))
        for identity in gone:
            del self.plain[identity]
        for name, events in self._events.items():
            top = len(stored.get(name, ()))
            for offset in [offset for offset in events if offset > top]:
                del events[offset]

    def check_complete(self, stored: Mapping[str, Sequence[Row]]) -> None:
        """Check a run's end: plain acks since the last loss are stored, and every screen shows what is stored."""
        there = {
            Identity(name, row.author, row.key): row.seq for name, rows in stored.items() for row in rows
        }
        for identity, (seq, _) in self.plain.items():
            if there.get(identity) != seq:
                self.violate(f"{identity} was acknowledged as {seq} and is stored as {there.get(identity)}")
        for (subscriber, conversation), shown in self._shown.items():
            rows = {row.seq: row for row in stored[conversation]}
            for offset, drawn in shown.items():
                if offset not in rows or drawn != _row_of_stored(rows[offset]):
                    self.violate(
                        f"{subscriber} shows {drawn} at {offset} of {conversation}: {rows.get(offset)}"
                    )
        for (subscriber, conversation), position in self._positions.items():
            if position != len(stored[conversation]):
                self.violate(f"{subscriber} stands at {position} of {len(stored[conversation])}")


def _row_of(event: Json) -> tuple[object, ...]:
    kind, seq, author, key, _ = identity_of(event)
    return kind, seq, author, key or "", event["epoch"]


def _row_of_stored(row: Row) -> tuple[object, ...]:
    return row.kind, row.seq, row.author, row.key, row.epoch
