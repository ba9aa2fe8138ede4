"""Ledger: who was removed and what was erased, in a file beside the databases that no restore takes back.

One JSON object per line, appended and fsynced after the commit and before the answer. It names people, conversations
and messages, and holds nothing of what was said.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

import sql
from chat.ids import conversation_id_of

LEDGER_FILE = "ledger.jsonl"
OWNER_ONLY = 0o600
COMPACT_ABOVE_BYTES = 1024 * 1024
"""A ledger that is no larger is never written anew: some ten thousand lines are read in a moment."""
FORBIDS = frozenset({"member.left", "message.deleted"})
RECORDED = FORBIDS | {"member.joined", "message.restored"}
"""The kinds of events that stand in the ledger: what must not come back, and what takes such a thing back."""

STATEMENTS = sql.load("ledger")

logger = logging.getLogger("palaver.storage")

Key = tuple[str, int, str]
"""The row of an event: conversation, seq and epoch, which is one row in all pasts and futures."""


class LedgerUnreadable(Exception):
    """The ledger cannot be read; the message says why and what to do."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="record", tag="event"):
    """One event that took effect. It is about the member `user`, or about the message whose own row is named."""

    conversation_id: str
    seq: int
    epoch: str
    kind: str
    actor: str
    at_ms: int
    user: str | None = None
    message_seq: int | None = None
    message_epoch: str | None = None

    @property
    def key(self) -> Key:
        """Name the event's row."""
        return self.conversation_id, self.seq, self.epoch

    @property
    def about(self) -> tuple[str, str | int | None, str | None]:
        """Name what the event is about: the last word about it counts."""
        return self.conversation_id, self.user or self.message_seq, self.message_epoch


class Void(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="void"):
    """An entry that counts no more: it was applied anew under another row, or waived by a restore."""

    conversation_id: str
    seq: int
    epoch: str


class Opened(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="opened"):
    """The ledger and a database file agreed when that generation began."""

    file: str
    epoch: str


Record = Entry | Void | Opened
_RECORDS = msgspec.json.Decoder(Record)


class Book(msgspec.Struct, frozen=True):
    """What the ledger says of one database file: the entries that count, in their order, and when both last agreed."""

    entries: dict[Key, Entry]
    agreed_epoch: str


class Ledger:
    """The ledger of a data folder, as one database file writes and reads it."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(LEDGER_FILE)
        self._file = database.name

    def append(self, records: Sequence[Record]) -> None:
        """Write records down, durable on return; raises OSError."""
        if not records:
            return
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        with self._locked() as descriptor:
            is_new = os.fstat(descriptor).st_size == 0
            if _is_torn(descriptor):
                lines = b"\n" + lines
            _write(descriptor, lines)
            if is_new:
                _flush_folder(self.path.parent)

    def compact(self) -> None:
        """Write a large ledger anew without what counts no more, where that is the greater part; raises OSError.

        What it says stays the same, to the order of its entries. A line that is not understood is kept as it is.
        """
        if not self.path.exists() or self.path.stat().st_size <= COMPACT_ABOVE_BYTES:
            return
        with self._locked():
            lines = self.path.read_bytes().splitlines()
            kept = _folded(lines)
            if len(lines) - len(kept) <= len(kept):
                return
            fresh = self.path.with_name(self.path.name + ".new")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, OWNER_ONLY)
            try:
                _write(descriptor, b"".join(line + b"\n" for line in kept))
            finally:
                os.close(descriptor)
            os.replace(fresh, self.path)
            _flush_folder(self.path.parent)
        logger.info("the ledger was written anew", extra={"lines": len(kept), "before": len(lines)})

    def read(self, persona: str) -> Book:
        """Read what counts for a persona's file; raises LedgerUnreadable."""
        entries: dict[Key, Entry] = {}
        agreed_epoch = ""
        for record in self._records():
            match record:
                case Entry() if record.conversation_id.startswith(f"{persona}:"):
                    entries[record.key] = record
                case Void():
                    entries.pop((record.conversation_id, record.seq, record.epoch), None)
                case Opened() if record.file == self._file:
                    agreed_epoch = record.epoch
        return Book(entries, agreed_epoch)

    def opened(self, epoch: str) -> Opened:
        """Say that this file and the ledger agree as of the generation with that epoch."""
        return Opened(file=self._file, epoch=epoch)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Open the ledger, made where it is not, and hold its lock, which keeps writers of all files apart.

        Whoever waited while it was written anew has the old one open, and opens the new one.
        """
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, OWNER_ONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if _is_at(self.path, descriptor):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)

    def _records(self) -> Iterator[Record]:
        try:
            with self.path.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    if record := self._decoded(number, line):
                        yield record
        except FileNotFoundError:
            return
        except OSError as error:
            raise LedgerUnreadable(
                f"{self.path} cannot be read ({error.strerror}): without it people who were removed would come back "
                "with a restored file. Mend its permissions, or move it away to go without."
            ) from error

    def _decoded(self, number: int, line: bytes) -> Record | None:
        try:
            return _RECORDS.decode(line) if line.strip() else None
        except msgspec.DecodeError:
            # The last line of a crash: its event is added again from the database.
            logger.warning("line %d of %s is not whole, and is passed over", number, self.path)
            return None


def entries_of(connection: Any, persona: str, events: Iterable[tuple[bytes, int]]) -> list[Entry]:
    """Return what the ledger says of events, each given by the uuid of its conversation and its seq."""
    rows = [
        connection.execute(STATEMENTS["entry"], {"uuid": uuid, "seq": seq}).fetchone() for uuid, seq in events
    ]
    return [_entry(persona, row) for row in rows if row is not None and row[3] in RECORDED]


def entries_since(connection: Any, persona: str, generation: int) -> list[Entry]:
    """Return what the ledger should say of all that happened from a generation on."""
    found = connection.execute(STATEMENTS["since"], {"generation": generation}).fetchall()
    return [_entry(persona, row) for row in found]


def _entry(persona: str, row: tuple[Any, ...]) -> Entry:
    uuid, seq, epoch, kind, message_seq, message_epoch, user, actor, at_ms = row
    return Entry(
        conversation_id=conversation_id_of(persona, uuid),
        seq=seq,
        epoch=epoch,
        kind=kind,
        actor=actor,
        at_ms=at_ms,
        user=user,
        message_seq=message_seq,
        message_epoch=message_epoch,
    )


def _folded(lines: Sequence[bytes]) -> list[bytes]:
    """Return the lines that count, as `Ledger.read` takes them, for all files."""
    unknown: list[bytes] = []
    entries: dict[Key, bytes] = {}
    opened: dict[str, bytes] = {}
    for line in filter(bytes.strip, lines):
        try:
            record = _RECORDS.decode(line)
        except msgspec.DecodeError:
            unknown.append(line)
            continue
        match record:
            case Entry():
                entries[record.key] = line
            case Void():
                entries.pop((record.conversation_id, record.seq, record.epoch), None)
            case Opened():
                opened[record.file] = line
    return [*unknown, *entries.values(), *opened.values()]


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
    os.fsync(descriptor)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _is_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
