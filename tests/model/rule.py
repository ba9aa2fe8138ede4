"""The rule of the timeline once more, from its words alone: who goes on from a position, and who reloads."""

from __future__ import annotations

from dataclasses import dataclass

from tests.model.plain import PlainFile, Talk

GOES_ON = ("start",)


@dataclass(frozen=True)
class Held:
    """A position that some client held once: its subscription's epoch and offset, and `seen` if it keeps one."""

    epoch: str
    offset: int
    seen: tuple[int, str] | None = None


def may_go_on(file: PlainFile, talk: Talk, held: Held) -> bool:
    """Tell whether whoever holds `held` gets all that he missed, rather than a reload. Nothing here was purged."""
    lineage = [row.epoch for row in talk.rows]
    if held.seen is not None:
        seq, epoch = held.seen
        if seq == 0:
            return (held.offset, epoch) == (0, "")
        return held.offset <= seq <= len(lineage) and lineage[seq - 1] == epoch
    if held.epoch == "":
        return held.offset == 0
    known = [number for number, opening in enumerate(file.openings) if opening.epoch == held.epoch]
    if not known or held.offset > len(lineage):
        return False
    if held.offset and talk.rows[held.offset - 1].opening > known[0]:
        return False
    return all(opening.kind in GOES_ON for opening in file.openings[known[0] + 1 :])
