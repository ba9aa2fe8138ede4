"""Reads what a database file has, read-only and beside a server that may run, be stopped or be dead."""

from __future__ import annotations

import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

from storage.engine import sqlite3
from tests.faults.ledger import Row

PERSONA = "main"
UUID_BYTES = 16

CONVERSATIONS = "SELECT number, uuid FROM conversations"

EVENTS = """
    SELECT m.seq, 'message' AS kind, u.id, m.client_message_id, g.epoch, m.content, m.changed_seq
    FROM messages AS m
    JOIN users AS u ON u.number = m.sender
    JOIN generations AS g ON g.number = m.generation
    WHERE m.conversation = :conversation
    UNION ALL
    SELECT c.seq, c.kind, u.id, c.idempotency_key, g.epoch, m.content, COALESCE(m.changed_seq, c.seq)
    FROM changes AS c
    JOIN users AS u ON u.number = c.actor
    JOIN generations AS g ON g.number = c.generation
    LEFT JOIN messages AS m ON m.conversation = c.conversation AND m.seq = c.message_seq
    WHERE c.conversation = :conversation
    ORDER BY 1
"""


def read_rows(database: Path) -> dict[str, list[Row]]:
    """Return the events of every conversation in order of seq, all from one moment."""
    with closing(_open(database)) as connection:
        connection.execute("BEGIN")
        numbers = connection.execute(CONVERSATIONS).fetchall()
        return {
            f"{PERSONA}:{uuid.UUID(bytes=name)}": [
                _row(row) for row in connection.execute(EVENTS, {"conversation": number})
            ]
            for number, name in numbers
        }


def read_generations(database: Path) -> list[str]:
    """Return the kinds of the file's generations, oldest first."""
    with closing(_open(database)) as connection:
        return [kind for (kind,) in connection.execute("SELECT kind FROM generations ORDER BY number")]


def check_integrity(database: Path) -> str:
    """Return what SQLite says of the file: `ok`."""
    with closing(_open(database)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def _open(database: Path) -> Any:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True)


def _row(row: tuple[int, str, str, bytes | str | None, str, str | None, int]) -> Row:
    seq, kind, author, key, epoch, content, changed_seq = row
    return Row(seq, kind, author, _key(key), epoch, content, changed_seq)


def _key(stored: bytes | str | None) -> str:
    if isinstance(stored, bytes):
        return str(uuid.UUID(bytes=stored))
    return stored or ""
