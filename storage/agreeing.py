"""What an opening does with the ledger: it catches up, and what a restore took back is applied again.

An entry is part of today's history if today's row at its place is that event. What is not was abandoned by a restore.
Of the abandoned entries about one member or message the last one counts, and where that forbids something, the removal
or the erasure becomes an event of the new generation.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any

from chat.commands import DeleteMessage, RemoveMember
from chat.errors import Unknown
from chat.ids import uuid_of
from chat.store import Draft, StoreFailed
from chat.timeline import START, Timeline
from storage import ledger, write_members, write_messages
from storage.ledger import FORBIDS, Book, Entry, Ledger, LedgerUnreadable, Record, Void
from storage.writing import CONVERSATIONS, Place, Writing

APPLIED_PER_TRANSACTION = 500
SKIP = "skip"

logger = logging.getLogger("palaver.storage")


def agree(connection: Any, writing: Writing, book_of_file: Ledger) -> None:
    """Make the ledger and the file agree, before the first write of the generation.

    Raises StoreFailed where the ledger cannot be read although a restore makes it needed. A ledger that cannot be
    written costs an error in the log: the next opening tries again.
    """
    timeline = writing.timeline
    try:
        book = book_of_file.read(writing.persona)
    except LedgerUnreadable as error:
        if any(each.kind != START for each in timeline.since("")[-2:]):
            raise StoreFailed(str(error)) from error
        logger.error("%s", error)
        return
    settled: list[Void] = []
    if not timeline.knows(book.agreed_epoch) or _new(timeline, book):
        settled = _settle(connection, writing, list(book.entries.values()))
    records: list[Record] = [
        *_missing(connection, writing, book),
        *settled,
        book_of_file.opened(timeline.epoch),
    ]
    try:
        book_of_file.append(records)
        book_of_file.compact()
    except OSError as error:
        logger.error("%s cannot be written (%s): it is caught up at the next start", book_of_file.path, error)


def _new(timeline: Timeline, book: Book) -> bool:
    return any(each.kind != START for each in timeline.since(book.agreed_epoch))


def _missing(connection: Any, writing: Writing, book: Book) -> list[Entry]:
    """Return what happened since both agreed and does not stand in the ledger: a crash came in between."""
    timeline = writing.timeline
    agreed = timeline.number_of(book.agreed_epoch) if timeline.knows(book.agreed_epoch) else 1
    found = ledger.entries_since(connection, writing.persona, agreed)
    return [entry for entry in found if entry.key not in book.entries]


def _settle(connection: Any, writing: Writing, entries: Sequence[Entry]) -> list[Void]:
    abandoned = [entry for entry in entries if not _stands(connection, entry)]
    if _is_waived(writing.timeline):
        logger.warning("the ledger is waived by the restore", extra={"entries": len(abandoned)})
        return [_void(entry) for entry in abandoned]
    last = {entry.about: entry for entry in abandoned}
    forbidding = [entry for entry in last.values() if entry.kind in FORBIDS]
    applied = 0
    for start in range(0, len(forbidding), APPLIED_PER_TRANSACTION):
        applied += _apply(connection, writing, forbidding[start : start + APPLIED_PER_TRANSACTION])
    if applied:
        logger.warning("what a restore had taken back was removed again", extra={"events": applied})
    return [_void(entry) for entry in abandoned if _is_here(connection, entry)]


def _is_waived(timeline: Timeline) -> bool:
    restores = [each for each in timeline.since("") if each.kind != START]
    return bool(restores) and restores[-1].ledger == SKIP


def _apply(connection: Any, writing: Writing, entries: Iterable[Entry]) -> int:
    writing.begin(connection)
    try:
        applied = sum(_apply_one(writing, entry) for entry in entries)
        writing.finish()
    except BaseException:
        writing.forget()
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return applied


def _apply_one(writing: Writing, entry: Entry) -> bool:
    place = _place(writing, entry.conversation_id)
    if place is None:
        return False
    actor, at_ms = writing.intern(entry.actor), time.time_ns() // 1_000_000
    if entry.user is not None:
        removal = RemoveMember(conversation_id=entry.conversation_id, user=entry.user)
        return write_members.remove_again(writing, place, actor, Draft(entry.actor, removal, at_ms), removal)
    if entry.message_seq is None or not _is_here(writing, entry):
        return False
    erasure = DeleteMessage(conversation_id=entry.conversation_id, seq=entry.message_seq)
    return write_messages.delete_again(writing, place, actor, Draft(entry.actor, erasure, at_ms), erasure)


def _place(writing: Writing, conversation_id: str) -> Place | None:
    """Find a conversation, a hidden one too: it may be brought back."""
    try:
        return writing.place(conversation_id)
    except Unknown:
        writing.flush()
        row = writing.one(CONVERSATIONS["find"], {"uuid": uuid_of(conversation_id)})
        return None if row is None else Place(conversation_id, row[:-1])


def _stands(connection: Any, entry: Entry) -> bool:
    return _epoch_at(connection, entry.conversation_id, entry.seq) == entry.epoch


def _is_here(connection: Any, entry: Entry) -> bool:
    """Tell whether what an entry is about is in this file: its conversation, and the very message."""
    if entry.message_seq is None:
        uuid = uuid_of(entry.conversation_id)
        return connection.execute(CONVERSATIONS["find"], {"uuid": uuid}).fetchone() is not None
    return _epoch_at(connection, entry.conversation_id, entry.message_seq) == entry.message_epoch


def _epoch_at(connection: Any, conversation_id: str, seq: int) -> str | None:
    row = connection.execute(
        ledger.STATEMENTS["row_epoch"], {"uuid": uuid_of(conversation_id), "seq": seq}
    ).fetchone()
    return None if row is None else row[0]


def _void(entry: Entry) -> Void:
    return Void(conversation_id=entry.conversation_id, seq=entry.seq, epoch=entry.epoch)
