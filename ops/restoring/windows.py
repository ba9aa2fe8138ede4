"""Windows: which moments of a file can be restored, how far back that is promised, and where copies are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.restoring import gaps, moment
from ops.restoring.litestream import ASK_TIMEOUT_S, Litestream, Ltx
from ops.restoring.place import Place
from ops.restoring.plan import oldest_ms

HOUR_MS = 3_600_000


@dataclass(frozen=True, kw_only=True)
class Hole:
    """Transactions that are on no file of the replica; what was copied between the two times cannot be restored."""

    after_ms: int
    until_ms: int
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class Window:
    """What can be restored of one file. Times are Unix milliseconds, known to the second.

    `moments` are those that a restore can end at, `snapshots` those with a whole copy. Every moment since
    `guaranteed_ms` stays restorable: what is kept, less the time between two whole copies.
    """

    file: str
    oldest_ms: int
    newest_ms: int
    guaranteed_ms: int
    size_bytes: int
    files: int
    snapshots: tuple[int, ...]
    moments: tuple[int, ...]
    holes: tuple[Hole, ...]


def window(place: Place, file: str, ask_timeout_s: float = ASK_TIMEOUT_S) -> Window | None:
    """Read what a file's replica holds; None where it has none. Raises Refused where it cannot be reached."""
    listed = Litestream(place, Path(file).stem, ask_timeout_s).files()
    reached = gaps.reachable(listed)
    if not reached:
        return None
    oldest = oldest_ms(listed)
    promised_ms = moment.now_ms() - (place.retention_h - place.snapshot_h) * HOUR_MS
    return Window(
        file=file,
        oldest_ms=oldest,
        newest_ms=max(each.at_ms for each in reached),
        guaranteed_ms=max(oldest, promised_ms),
        size_bytes=sum(each.size_bytes for each in listed),
        files=len(listed),
        snapshots=tuple(sorted({each.at_ms for each in reached if each.first == 1})),
        moments=tuple(sorted({each.at_ms for each in reached if each.at_ms >= oldest})),
        holes=tuple(_holes(listed)),
    )


def _holes(listed: Sequence[Ltx]) -> list[Hole]:
    """Find transactions that are on no file, from the oldest whole copy on; a later one mends none."""
    whole = min((file for file in listed if file.first == 1), key=lambda file: file.last)
    found, end, end_ms = [], whole.last, whole.at_ms
    parts = [file for file in listed if file.first > 1 and file.last > end]
    for file in sorted(parts, key=lambda each: each.first):
        if file.first > end + 1:
            found.append(Hole(after_ms=end_ms, until_ms=file.at_ms, first=end + 1, last=file.first - 1))
        end, end_ms = max(end, file.last), max(end_ms, file.at_ms)
    return found
