"""Noted: what was last seen of a database file, kept beside it, so that a start knows a file that somebody put there.

The note is written lazily: at each opening, at a clean end, and now and then. It may lag behind the file, never run
ahead of it, so that a file that is behind its note has lost something.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import msgspec

import sql
from chat.timeline import RESTORE, SWAPPED, UNCLEAN, Timeline

NOTE_EVERY_S = 60.0
OWNER_ONLY = 0o600

STATEMENTS = sql.load("noted")

logger = logging.getLogger("palaver.storage")


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen: which file, under which generation, and how much had happened in it.

    `inode` names the file; the number of its device does not, since that may be another one after each boot. `events`
    is a counter that only grows. It is the sum of the seqs that were given, because that is what no upkeep changes:
    VACUUM gives rows new rowids, and a purge takes rows away.
    """

    inode: int
    number: int
    epoch: str
    synchronous: str
    events: int


class Verdict(msgspec.Struct, frozen=True):
    """What a file that is not as it was noted makes of the next generation: its kind, and why, in words."""

    kind: str
    cause: str

    @property
    def meaning(self) -> str:
        """Say what follows from it, and what to do."""
        if self.kind == UNCLEAN:
            return (
                "commits that were not fsynced are lost, as PALAVER_SYNCHRONOUS=normal allows; clients reload"
            )
        return (
            "it is served under a new generation, clients reload what they must, and what it lacks is missing. If "
            "nobody meant that, stop the server and put the right moment back: docs/how-to/alarms.md, "
            "PalaverTimelineSwapped"
        )


def note_of(database: Path) -> Path:
    """Return where the note of a database file is."""
    return database.with_name(database.name + ".noted")


def take(connection: Any, database: Path, timeline: Timeline, synchronous: str) -> None:
    """Write down what is seen now; a note that cannot be written costs a line in the log and nothing else."""
    current = timeline.current
    try:
        note = Note(
            inode=os.stat(database).st_ino,
            number=current.number,
            epoch=current.epoch,
            synchronous=synchronous,
            events=_events(connection),
        )
        _write(note_of(database), msgspec.json.encode(note))
    except OSError as error:
        logger.warning("what was seen of %s cannot be noted: %s", database.name, error)


def mark(connection: Any) -> None:
    """Say in the file itself that it has a note, so that a file without one is known to come from elsewhere."""
    if connection.execute(STATEMENTS["is_noted"]).fetchone() is None:
        connection.execute(STATEMENTS["set_noted"])


def judge(connection: Any, database: Path, timeline: Timeline) -> Verdict | None:
    """Hold a file against its note, before its next generation begins; None where it is the file that was left.

    A file whose newest generation is a restore says itself what it is. One that never had a note is new, or was made
    before there were any.
    """
    note = _read(note_of(database))
    newest = timeline.since("")[-1:]
    if newest and newest[0].kind == RESTORE and (note is None or note.epoch != newest[0].epoch):
        return None
    if note is None:
        is_noted = connection.execute(STATEMENTS["is_noted"]).fetchone() is not None
        return (
            Verdict(SWAPPED, "the file came from elsewhere: nothing was noted beside it")
            if is_noted
            else None
        )
    return _compared(connection, database, timeline, note)


def _compared(connection: Any, database: Path, timeline: Timeline, note: Note) -> Verdict | None:
    if os.stat(database).st_ino != note.inode:
        return Verdict(SWAPPED, "another file stands in the place of the one that was noted")
    behind = _behind(connection, timeline, note)
    if not behind:
        return None
    # Without an fsync per commit a power cut takes the newest commits, and the note may have outlived them.
    return Verdict(SWAPPED if note.synchronous == "full" else UNCLEAN, behind)


def _behind(connection: Any, timeline: Timeline, note: Note) -> str:
    if not timeline.knows(note.epoch):
        return f"the file does not know generation {note.number}, which was noted"
    events = _events(connection)
    if events < note.events:
        return f"the file holds {events} events and conversations, and {note.events} were noted"
    return ""


def _events(connection: Any) -> int:
    return int(connection.execute(STATEMENTS["events"]).fetchone()[0])


def _read(path: Path) -> Note | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Note)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("%s cannot be read, and is passed over: %s", path, error)
        return None


def _write(path: Path, content: bytes) -> None:
    """Put the content in the place of the old one at once: a reader finds one of the two, whole."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)
