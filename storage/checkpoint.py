"""Checkpoint: copies a WAL back into its database without waiting for anybody."""

from __future__ import annotations

from typing import Any

import msgspec


class Checkpoint(msgspec.Struct, frozen=True):
    """What came of one: the pages of the WAL, and how many of them stand in the database now.

    What is left is held back by somebody who reads an older state.
    """

    wal_pages: int
    copied_pages: int


def passive(connection: Any) -> Checkpoint:
    """Copy back what can be copied without making readers or writers wait."""
    _, wal_pages, copied_pages = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return Checkpoint(wal_pages, copied_pages)
