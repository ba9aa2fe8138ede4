"""Marks a copy as restored, before a server takes it for its database."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from chat.timeline import RESTORE
from storage import generations
from storage.engine import sqlite3
from storage.moment import CopyFailed

FULL = "full"


def mark_restored(copy: Path, cause: str) -> None:
    """Add a generation of kind restore to a copy: clients that saw more than it has are told to reload.

    Raises CopyFailed. Nobody may have the copy open.
    """
    try:
        with closing(sqlite3.connect(str(copy), isolation_level=None)) as connection:
            connection.execute(f"PRAGMA synchronous = {FULL}")
            generations.begin(connection, cause, FULL, RESTORE)
    except sqlite3.Error as error:
        raise CopyFailed(f"{copy} cannot be marked as restored: {error}") from error
