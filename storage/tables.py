"""The tables as SQLAlchemy Core sees them, for statements that depend on a request; a test holds them true."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.types import NullType

metadata = MetaData()

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

generations = Table(
    "generations",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("since_ms", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("synchronous", Text, nullable=False),
    Column("replays", Text, nullable=False),
    Column("ended_ms", Integer),
    Column("ledger", Text, nullable=False),
)

users = Table(
    "users", metadata, Column("number", Integer, primary_key=True), Column("id", Text, nullable=False)
)

conversations = Table(
    "conversations",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("uuid", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("title", Text),
    Column("metadata", Text),
    Column("creator", Integer, nullable=False),
    Column("creation_key", NullType),
    Column("creation_fingerprint", LargeBinary),
    Column("first_seq", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("changed_seq", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_ms", Integer, nullable=False),
    Column("updated_ms", Integer, nullable=False),
    Column("deleted_ms", Integer),
)

members = Table(
    "members",
    metadata,
    Column("conversation", Integer, primary_key=True),
    Column("user", Integer, primary_key=True),
    Column("role", Text, nullable=False),
    Column("read_seq", Integer, nullable=False),
    Column("joined_ms", Integer, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("conversation", Integer, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("sender", Integer, nullable=False),
    Column("client_message_id", NullType, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("role", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("content", Text),
    Column("attachments", Text),
    Column("reply_to", Integer),
    Column("thinking", Text),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("metadata", Text),
    Column("status", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("changed_seq", Integer, nullable=False),
    Column("created_ms", Integer, nullable=False),
    Column("edited_ms", Integer),
    Column("deleted_ms", Integer),
)

changes = Table(
    "changes",
    metadata,
    Column("conversation", Integer, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("message_seq", Integer),
    Column("actor", Integer, nullable=False),
    Column("idempotency_key", NullType),
    Column("fingerprint", LargeBinary),
    Column("payload", Text),
    Column("generation", Integer, nullable=False),
    Column("created_ms", Integer, nullable=False),
)
