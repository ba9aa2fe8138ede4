"""Sends: the messages of one batch, stored many rows to a statement.

Every statement gives up the interpreter's lock and has to win it back from a busy event loop. Measured beside a busy
thread, one statement per 50 rows stores 2 to 3 times as many rows a second as one per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert
from sqlalchemy.dialects.sqlite import pysqlite

from chat.commands import SendMessage
from chat.errors import Problem
from chat.ids import key_to_column
from chat.store import Committed, Draft
from storage import write_messages
from storage.engine import sqlite3
from storage.tables import messages
from storage.writing import Place, Writing

ROWS_PER_STATEMENT = (64, 16, 4, 1)
COLUMNS = (
    "conversation", "seq", "sender", "client_message_id", "fingerprint", "role", "content_type", "content",
    "attachments", "metadata", "generation", "changed_seq", "created_ms",
)  # fmt: skip


class _Gathered(NamedTuple):
    """A message that looks new; `at` is its place in the batch, `before_ms` its conversation's time before."""

    at: int
    draft: Draft
    command: SendMessage
    place: Place
    seq: int
    before_ms: int


class Sends:
    """Gathers messages that look new, with the seqs that they will have if none of them is a retry."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._gathered: list[_Gathered] = []
        self._rows: list[tuple[Any, ...]] = []
        self._keys: set[tuple[int, int, bytes | str]] = set()

    def take(self, index: int, draft: Draft, command: SendMessage) -> bool:
        """Gather the draft at `index` of its batch; False for one that must be looked at alone."""
        writing = self._writing
        if command.reply_to is not None or writing.timeline.refuses_replay(command.first_sent_epoch):
            return False
        try:
            place, author, _ = writing.enter(draft, command.conversation_id)
        except Problem:
            return False
        column = key_to_column(command.client_message_id)
        key = (place.number, author, column)
        if key in self._keys:
            return False
        self._keys.add(key)
        before_ms = place.updated_ms
        seq = writing.take_seq(place, draft.at_ms)
        self._gathered.append(_Gathered(index, draft, command, place, seq, before_ms))
        self._rows.append(
            (
                place.number, seq, author, column, draft.fingerprint, command.role, command.content_type,
                command.content, write_messages.text_of(draft.attachments), write_messages.text_of(draft.metadata),
                writing.generation, seq, draft.at_ms,
            )
        )  # fmt: skip
        return True

    def flush(self, outcomes: dict[int, Committed | Problem]) -> None:
        """Store what was gathered, and note its outcomes by index. If one is a retry, all are stored one by one."""
        if not self._rows:
            return
        gathered, rows = self._gathered, self._rows
        self._gathered, self._rows = [], []
        self._keys.clear()
        try:
            self._store(rows)
        except sqlite3.IntegrityError:
            self._store_singly(gathered, outcomes)
            return
        for each in gathered:
            outcomes[each.at] = write_messages.sent(
                self._writing, each.place, each.draft, each.command, each.seq
            )

    def _store(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Store all rows or, raising IntegrityError, none."""
        if len(rows) in ROWS_PER_STATEMENT:
            self._store_chunks(rows)
            return
        self._writing.execute("SAVEPOINT sends", {})
        try:
            self._store_chunks(rows)
        except sqlite3.IntegrityError:
            self._writing.execute("ROLLBACK TO sends", {})
            self._writing.execute("RELEASE sends", {})
            raise
        self._writing.execute("RELEASE sends", {})

    def _store_chunks(self, rows: Sequence[tuple[Any, ...]]) -> None:
        first = 0
        while first < len(rows):
            count = next(size for size in ROWS_PER_STATEMENT if size <= len(rows) - first)
            values = [value for row in rows[first : first + count] for value in row]
            self._writing.execute(_statement(count), values)
            first += count

    def _store_singly(self, gathered: Sequence[_Gathered], outcomes: dict[int, Committed | Problem]) -> None:
        for each in reversed(gathered):
            each.place.last_seq, each.place.updated_ms = each.seq - 1, each.before_ms
        for each in gathered:
            try:
                outcomes[each.at] = write_messages.send(self._writing, each.draft, each.command)
            except Problem as problem:
                outcomes[each.at] = problem


@cache
def _statement(count: int) -> str:
    rows: list[dict[str, Any]] = [
        {name: bindparam(f"{name}_{row}") for name in COLUMNS} for row in range(count)
    ]
    return str(insert(messages).values(rows).compile(dialect=pysqlite.dialect(paramstyle="qmark")))
