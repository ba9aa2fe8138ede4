"""Spent pieces: what Litestream keeps of a file beside it although the replica has it twice, alone and merged, goes.

Each sync that is asked for lists the folder of these pieces twice, at 3.5 µs a piece. Litestream keeps them for as long
as it keeps those on the replica, which is minutes: at sixty syncs a second an ack took ten times as long after a while.
It needs the newest piece, to know where it stands, and reads those that are not merged yet; any other it would fetch
from the replica.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

MERGED = "compaction complete"
FIRST_LEVEL = 1
PIECES = Path("ltx", "0")
_PIECE = re.compile(r"[0-9a-f]{16}-([0-9a-f]{16})\.ltx")

logger = logging.getLogger("palaver.litestream")


class _Transactions(msgspec.Struct, frozen=True):
    max: str


class _Merged(msgspec.Struct, frozen=True):
    """What Litestream's log says when pieces up to a transaction are on the replica as one."""

    msg: str
    level: int
    db: str
    txid: _Transactions


class SpentPieces:
    """The pieces beside the databases of a data folder. `hear` learns which are spent, `remove` removes them."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._merged: dict[str, int] = {}

    @property
    def due(self) -> bool:
        """Tell whether some are spent."""
        return bool(self._merged)

    def hear(self, fields: Mapping[str, object]) -> None:
        """Take a line of Litestream's log."""
        if fields.get("msg") != MERGED or fields.get("level") != FIRST_LEVEL:
            return
        try:
            merged = msgspec.convert(fields, _Merged)
            self._merged[Path(merged.db).name] = int(merged.txid.max, 16)
        except (msgspec.ValidationError, ValueError):
            logger.warning("Litestream told of merged pieces in other words", extra={"said": str(fields)})

    def remove(self) -> None:
        """Remove what is spent, the newest piece of a file never. One that cannot be removed costs time, no more."""
        merged, self._merged = self._merged, {}
        for name, last in merged.items():
            try:
                for piece in _older(self._data / f".{name}-litestream" / PIECES, last):
                    piece.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("spent pieces of %s are still there: %s", name, error)


def _older(folder: Path, last: int) -> list[Path]:
    """Return the pieces whose transactions end at `last` or before, without the newest that there is."""
    try:
        ends = {
            piece: int(found[1], 16) for piece in folder.iterdir() if (found := _PIECE.fullmatch(piece.name))
        }
    except FileNotFoundError:
        return []
    newest = max(ends.values(), default=0)
    return [piece for piece, end in ends.items() if end <= last and end != newest]
