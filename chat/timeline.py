"""The timeline of one database file: its generations, and the one rule that decides who may recover from where."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chat.models import RowId

START = "start"
RESTORE = "restore"
SWAPPED = "swapped"
UNCLEAN = "unclean"
KINDS = (START, RESTORE, SWAPPED, UNCLEAN)


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """One opening of a database file for writing. `number` counts within the file, `epoch` is random.

    `replays` is what a deliberate rewind said about drafts first sent before it: accept or refuse; `ledger` what it
    said about removals and deletions that the rewind took back: apply them again, or skip.
    """

    number: int
    epoch: str
    kind: str
    since_ms: int
    cause: str
    replays: str = "accept"
    ledger: str = "apply"


class Claim(msgspec.Struct, frozen=True):
    """What a client presents: its subscription's epoch and offset, and, if it can, `seen`.

    `seen` names the highest row behind anything that the client shows or hides; seq 0 with epoch "" says nothing yet.
    """

    epoch: str
    offset: int
    seen: RowId | None = None

    @property
    def anchor(self) -> int:
        """Name the seq whose row decides: seen's, or without it the offset."""
        return self.seen.seq if self.seen is not None else self.offset


class Footing(msgspec.Struct, frozen=True):
    """What stands in the database today, read in one transaction with the events: the answer's other half.

    `anchor_generation` is the generation of the row at the claim's anchor, None where no row stands.
    """

    first_seq: int
    last_seq: int
    anchor_generation: int | None


class Timeline:
    """The generations of one file, oldest first; the last one is the current."""

    def __init__(self, generations: Sequence[Generation]) -> None:
        self._generations = tuple(generations)
        self._by_number = {generation.number: generation for generation in generations}
        self._by_epoch = {generation.epoch: generation for generation in generations}
        self._refusing = max((each.number for each in generations if each.replays == "refuse"), default=0)

    @property
    def current(self) -> Generation:
        """Return the generation that writes now."""
        return self._generations[-1]

    @property
    def epoch(self) -> str:
        """Return the current generation's epoch."""
        return self._generations[-1].epoch

    def epoch_of(self, number: int) -> str:
        """Return the epoch of generation `number`."""
        return self._by_number[number].epoch

    def number_of(self, epoch: str) -> int:
        """Return the number of the generation with that epoch."""
        return self._by_epoch[epoch].number

    def knows(self, epoch: str) -> bool:
        """Tell whether `epoch` is one of this file's own ancestors or the current."""
        return epoch in self._by_epoch

    def since(self, epoch: str) -> tuple[Generation, ...]:
        """Return the generations after the one with that epoch: all of them where it is none of this file's."""
        known = self._by_epoch.get(epoch)
        return tuple(each for each in self._generations if known is None or each.number > known.number)

    def recovers(self, claim: Claim, footing: Footing) -> bool:
        """Decide whether a client goes on from its offset (True) or must reload (DESIGN: the rule of the timeline)."""
        if claim.seen is not None:
            return self._recovers_seen(claim, claim.seen, footing)
        return self._recovers_unseen(claim, footing)

    def refuses_replay(self, first_sent_epoch: str | None) -> bool:
        """Tell whether a draft first sent under that epoch was rewound away on purpose.

        The newest generation that refuses replays draws the line: what was first sent in it or later is taken; what
        was sent in an epoch that this file does not know, or earlier, is not. No stamp means no protection asked for.
        """
        if first_sent_epoch is None or not self._refusing:
            return False
        sent = self._by_epoch.get(first_sent_epoch)
        return sent is None or sent.number < self._refusing

    def _recovers_seen(self, claim: Claim, seen: RowId, footing: Footing) -> bool:
        if seen.seq == 0:
            return seen.epoch == "" and claim.offset == 0 and footing.first_seq == 1
        if not footing.first_seq <= claim.offset + 1 <= seen.seq + 1:
            return False
        return (
            footing.anchor_generation is not None and self.epoch_of(footing.anchor_generation) == seen.epoch
        )

    def _recovers_unseen(self, claim: Claim, footing: Footing) -> bool:
        if claim.epoch == "" and claim.offset == 0:
            return footing.first_seq == 1
        known = self._by_epoch.get(claim.epoch)
        if known is None or claim.offset > footing.last_seq:
            return False
        if not self._stands_on(claim, footing, known):
            return False
        return all(g.kind == START for g in self._generations if g.number > known.number)

    def _stands_on(self, claim: Claim, footing: Footing, known: Generation) -> bool:
        if claim.offset == 0:
            return footing.first_seq == 1
        return footing.anchor_generation is not None and footing.anchor_generation <= known.number
