"""Fills a database with more messages than a test could send, by one statement per conversation."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from storage.engine import sqlite3

FILL = """
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :messages)
    INSERT INTO messages (
        conversation, seq, sender, client_message_id, fingerprint, role, content_type, content, generation,
        changed_seq, created_ms
    )
    SELECT
        c.number, c.last_seq + n, c.creator, 'filling ' || n, randomblob(16), 'user', 'text',
        'a message of a usual length, as people write it, number ' || n, c.generation,
        c.last_seq + n, c.created_ms + n
    FROM conversations AS c
    CROSS JOIN number
    WHERE c.number = :conversation
"""
ADVANCE = "UPDATE conversations SET last_seq = last_seq + :messages WHERE number = :conversation"


def fill(database: Path, messages: int) -> None:
    """Add `messages`, shared out among the conversations. Nobody may serve the database meanwhile."""
    with closing(sqlite3.connect(database)) as connection, connection:
        numbers = [number for (number,) in connection.execute("SELECT number FROM conversations")]
        for number in numbers:
            values = {"conversation": number, "messages": messages // len(numbers)}
            connection.execute(FILL, values)
            connection.execute(ADVANCE, values)
