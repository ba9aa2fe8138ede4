"""Archive: a copy of a database file, restored beside the one that is served, and what stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from chat.errors import Unknown
from chat.models import RowId

Column = str | bytes
"""A key as its column holds it: 16 bytes for a UUID, else the text."""


class ArchivedMember(msgspec.Struct, frozen=True):
    """Who took part then. `joined_ms` is UTC."""

    user: str
    role: str
    joined_ms: int


class ArchivedConversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as it was then. `metadata` is canonical JSON.

    `departures` names the rows of the copy in which somebody left: whoever left in another row left later. `removed`
    names the members who left since, as the ledger knows.
    """

    conversation_id: str
    kind: str
    title: str | None
    metadata: str | None
    creator: str
    creation_key: Column | None
    creation_fingerprint: bytes | None
    created_ms: int
    members: tuple[ArchivedMember, ...]
    departures: frozenset[RowId]
    removed: frozenset[str]


class ArchivedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it was then. `attachments` and `metadata` are canonical JSON; times are milliseconds UTC.

    A reply names its message by the sender and key that it has in every file, since its seq may be another one today.
    """

    seq: int
    sender: str
    key: Column
    fingerprint: bytes
    role: str
    content_type: str
    content: str | None
    attachments: str | None
    metadata: str | None
    thinking: str | None
    input_tokens: int | None
    output_tokens: int | None
    status: str
    created_ms: int
    edited_ms: int | None
    reply_to_sender: str | None
    reply_to_key: Column | None

    @property
    def size_bytes(self) -> int:
        """Return about how many bytes it weighs."""
        texts = (self.content, self.attachments, self.metadata, self.thinking)
        return sum(len(text) for text in texts if text is not None)


class Archive(Protocol):
    """One copy. Everything raises Unavailable where it cannot be read."""

    async def conversation(self, conversation_id: str) -> ArchivedConversation:
        """Read how a conversation was; raises Unknown where the copy does not have it, or it was deleted by then."""

    async def messages(self, conversation_id: str, after: int, limit: int) -> Sequence[ArchivedMessage]:
        """Read messages in their order, from the seq `after` on; those that were deleted by then are left out."""


class PutBack(msgspec.Struct, frozen=True, kw_only=True):
    """A persona's file was put back whole: the epoch of its restore, and the folder that the old one is kept in."""

    persona: str
    epoch: str
    replaced: str


async def nothing_to_put_back(persona: str, name: str) -> PutBack:
    """Find no copy."""
    raise Unknown("there is no such copy")


class Archives(Protocol):
    """The copies that were restored beside the databases of this server."""

    def archive(self, name: str, persona: str) -> Archive:
        """Find a persona's file in the copy of that name; raises Unknown where there is none."""


class NoArchives:
    """There is no copy of anything."""

    def archive(self, name: str, persona: str) -> Archive:
        """Find nothing."""
        raise Unknown("there is no such copy")
