"""The mark: the generation of kind `restore` that a copy gets before it takes the place of a file.

By it every client learns that time was turned back, and the next start of the server that nobody swapped the file.
"""

from __future__ import annotations

import os
import secrets
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from ops.restoring import disk, moment
from ops.restoring.engine import sqlite3
from ops.restoring.refusal import Refused
from ops.restoring.standing import tables

ACCEPT = "accept"
REFUSE = "refuse"
REPLAYS = (ACCEPT, REFUSE)
APPLY = "apply"
SKIP = "skip"
LEDGERS = (APPLY, SKIP)
EPOCH_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
EPOCH_CHARACTERS = 8
SUFFIX = ".marked"

# It begins and ends in one moment: nothing is ever written in it, so a start after it is no unclean one.
_BEGIN = """
INSERT INTO generations (epoch, kind, since_ms, cause, synchronous, replays, ended_ms)
VALUES (?, 'restore', ?, ?, 'full', ?, ?)
"""
_NEWEST = "SELECT epoch, kind FROM generations ORDER BY number DESC LIMIT 1"
_WAIVE = "UPDATE generations SET ledger = 'skip' WHERE epoch = ?"


def mark(copy: Path, cause: str, replays: str, ledger: str = APPLY) -> Path:
    """Write the generation into a checked copy and return the copy under its new name, ready to be swapped in.

    `ledger` says whether removals and deletions that the copy does not know are applied again. The name changes first,
    so that a copy that was marked by a run which ended there is never marked twice.
    """
    marked = copy.with_name(copy.name + SUFFIX)
    os.replace(copy, marked)
    try:
        with closing(sqlite3.connect(marked, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            if "generations" in tables(connection):
                epoch = "".join(secrets.choice(EPOCH_ALPHABET) for _ in range(EPOCH_CHARACTERS))
                now_ms = moment.now_ms()
                connection.execute(_BEGIN, (epoch, now_ms, cause, replays, now_ms))
                if ledger == SKIP:
                    connection.execute(_WAIVE, (epoch,))
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise Refused(f"The copy {marked} could not be marked as restored: {error}.") from error
    if marked.with_name(marked.name + "-wal").exists():
        raise Refused(f"Another program has the copy {marked} open. End it, and restore again.")
    _flush(marked)
    return marked


def restored_epoch(marked: Path) -> str:
    """Return the epoch of the restore that a copy is marked with; raises Refused for one that is not."""
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(marked))}?mode=ro&immutable=1", uri=True)
        ) as connection:
            found = connection.execute(_NEWEST).fetchone()
    except sqlite3.Error as error:
        raise Refused(f"The copy {marked} cannot be read: {error}.") from error
    if found is None or found[1] != "restore":
        raise Refused(f"The copy {marked} is not marked as restored.")
    return str(found[0])


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    disk.flush_folder(path.parent)
