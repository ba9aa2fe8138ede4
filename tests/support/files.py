"""Database files made without a server: migrated, with conversations of a given length in them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from storage.blank import make_blank
from storage.engine import sqlite3
from storage.migrate import migrate, shipped

if TYPE_CHECKING:
    from sqlite3 import Connection

_START = """
INSERT INTO generations (number, epoch, kind, since_ms, cause, synchronous)
VALUES (1, 'first', 'start', 0, 'test', 'full');
INSERT INTO users VALUES (1, 'alice');
INSERT INTO conversations (number, uuid, kind, creator, generation, created_ms, updated_ms)
VALUES (1, randomblob(16), 'chat', 1, 1, 0, 0);
INSERT INTO members VALUES (1, 1, 'owner', 0, 0);
"""
_SEND = """
INSERT INTO messages (
    conversation, seq, sender, client_message_id, fingerprint, role, content_type, content, generation, changed_seq,
    created_ms
) VALUES (1, :seq, 1, 'key-' || :seq, x'00', 'user', 'text/plain', :content, 1, :seq, 0)
"""


def connect(file: Path) -> Connection:
    """Open a database file as a server's writer does, in autocommit mode."""
    connection: Connection = sqlite3.connect(str(file), isolation_level=None, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def make_file(file: Path, messages: int = 3, content: str = "hi") -> None:
    """Make a database with one conversation and so many messages in it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    make_blank(file)
    with closing(connect(file)) as connection:
        migrate(connection, shipped())
        connection.executescript(_START)
        connection.execute("BEGIN")
        for seq in range(1, messages + 1):
            send(connection, seq, content)
        connection.execute("COMMIT")


def send(connection: Connection, seq: int, content: str = "hi") -> None:
    """Add the message with a seq to the file's conversation."""
    connection.execute(_SEND, {"seq": seq, "content": content})
    connection.execute("UPDATE conversations SET last_seq = :seq", {"seq": seq})


def last_seq(file: Path) -> int:
    """Return how far the file's conversation came."""
    with closing(connect(file)) as connection:
        return int(connection.execute("SELECT max(seq) FROM messages").fetchone()[0])


def set_meta(connection: Connection, key: str, value: object) -> None:
    """Set a value of the file's meta table."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, str(value)))
