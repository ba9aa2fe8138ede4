"""Ids of conversations, `<persona>:<uuid>`: the persona names the database file, and nothing else ever does."""

from __future__ import annotations

import re
import uuid
from functools import lru_cache

from chat.errors import Unknown

MAIN = "main"
PERSONA = re.compile(r"\A[a-z0-9][a-z0-9_-]{0,62}\Z")
USER_CHANNEL = "user:"
KNOWN_MAX = 50_000

_UUID = re.compile(r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


@lru_cache(maxsize=KNOWN_MAX)
def persona_of(conversation_id: str) -> str:
    """Return the persona of an id; raises Unknown for what cannot be an id, as for what does not exist."""
    persona, _, name = conversation_id.partition(":")
    if not PERSONA.match(persona) or not _UUID.match(name):
        raise Unknown
    return persona


def uuid_of(conversation_id: str) -> bytes:
    """Return the 16 bytes of an id that `persona_of` accepts."""
    return bytes.fromhex(conversation_id.partition(":")[2].replace("-", ""))


def conversation_id_of(persona: str, name: bytes) -> str:
    """Write the id of the conversation `name` (16 bytes) of a persona."""
    return f"{persona}:{uuid.UUID(bytes=name)}"


def key_to_column(key: str) -> bytes | str:
    """Shorten a key that is a UUID in its usual form to 16 bytes; any other stays the text it is."""
    return bytes.fromhex(key.replace("-", "")) if _UUID.match(key) else key


def key_from_column(column: bytes | str) -> str:
    """Undo `key_to_column`, to the byte."""
    return str(uuid.UUID(bytes=column)) if isinstance(column, bytes) else column
