"""Marks: how far each conversation of a file is known to be on the replica, under one epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from chat.models import RowId
from chat.store import Committed

MARKS_MAX = 20_000
"""Conversations that are remembered, of those on the replica and of those on their way each.

Over it the one that was written longest ago is forgotten: its watermark is unknown until its next event.
"""


class Taken(msgspec.Struct, frozen=True):
    """What a sync that begins now will prove: the newest seq of each conversation, under `epoch`."""

    epoch: str
    seqs: Mapping[str, int]


class Marks:
    """Everything is forgotten when another epoch begins: a watermark is of one epoch alone."""

    def __init__(self, marks_max: int = MARKS_MAX) -> None:
        self._marks_max = marks_max
        self._epoch = ""
        self._opening_proven = False
        self._proven: dict[str, int] = {}
        self._unproven: dict[str, int] = {}

    @property
    def complete(self) -> bool:
        """Tell whether nothing is left that a sync could prove."""
        return self._opening_proven and not self._unproven

    def note(self, epoch: str, batch: Sequence[Committed]) -> None:
        """Remember what became durable on this machine."""
        self._enter(epoch)
        unproven = self._unproven
        for committed in batch:
            for event in committed.events:
                unproven[event.conversation_id] = event.seq
        _shorten(unproven, self._marks_max)

    def take(self, epoch: str) -> Taken:
        """Hand out what is unproven, for a sync that begins now; it comes back by `prove` or `give_back`."""
        self._enter(epoch)
        taken, self._unproven = self._unproven, {}
        return Taken(epoch, taken)

    def prove(self, taken: Taken) -> Mapping[str, int]:
        """Move the watermarks, and return those that moved; none where another epoch has begun."""
        if taken.epoch != self._epoch:
            return {}
        self._opening_proven = True
        for conversation_id, seq in taken.seqs.items():
            self._proven.pop(conversation_id, None)  # so that the dictionary is in the order of the last move
            self._proven[conversation_id] = seq
        _shorten(self._proven, self._marks_max)
        return taken.seqs

    def give_back(self, taken: Taken) -> None:
        """Keep for the next sync what this one could not prove."""
        if taken.epoch == self._epoch:
            self._unproven = {**taken.seqs, **self._unproven}
            _shorten(self._unproven, self._marks_max)

    def seq_of(self, conversation_id: str, epoch: str, top: RowId | None = None) -> int | None:
        """Return the watermark of a conversation under `epoch`, None where it is not known.

        `top` is its newest row, where that was read: a row of an earlier epoch was there before any sync of this one.
        """
        if epoch != self._epoch:
            return None
        seq = self._proven.get(conversation_id)
        if seq is None and top is not None and top.epoch != epoch and self._opening_proven:
            return top.seq
        return seq

    def _enter(self, epoch: str) -> None:
        if epoch != self._epoch:
            self._epoch, self._opening_proven = epoch, False
            self._proven, self._unproven = {}, {}


def _shorten(seqs: dict[str, int], length_max: int) -> None:
    while len(seqs) > length_max:
        del seqs[next(iter(seqs))]
