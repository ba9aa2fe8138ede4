"""Store: what the chat asks of its database, one contract per verb; storage/ answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from chat.commands import (
    Durability,
    GetConversation,
    GetMessage,
    ListConversations,
    ListMembers,
    ReadHistory,
    WriteCommand,
)
from chat.errors import Problem
from chat.models import (
    AnyEvent,
    Conversation,
    Listing,
    MemberPage,
    Message,
    Page,
    RowId,
)
from chat.timeline import Claim, Timeline


class Draft(msgspec.Struct, frozen=True):
    """A checked command of `author` that waits to be written; `at_ms` is the time that its rows will carry.

    `attachments` and `metadata` are canonical JSON, `fingerprint` the digest of everything that a key stands for.
    """

    author: str
    command: WriteCommand
    at_ms: int
    fingerprint: bytes = b""
    attachments: bytes | None = None
    metadata: bytes | None = None


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a send. `epoch` is the current one, `version` names the row; both are needed by who folds."""

    conversation_id: str
    seq: int
    epoch: str
    version: str
    created_at: int
    duplicate: bool
    durability: Durability = "committed"


class Changed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to what took a seq without being a message. `message_seq` is there for edits and deletes."""

    conversation_id: str
    seq: int
    epoch: str
    version: str
    duplicate: bool
    message_seq: int | None = None


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to the creation of a conversation."""

    conversation: Conversation
    duplicate: bool


class ReadMark(msgspec.Struct, frozen=True, kw_only=True):
    """Where a user has read to, and what is left; `unread_count` stops at a limit."""

    conversation_id: str
    read_seq: int
    unread_count: int


class Revived(msgspec.Struct, frozen=True, kw_only=True):
    """What was brought back into a conversation from a copy, and what needed not be.

    `created` and `undeleted` are about the conversation itself. `messages_added` stand as new rows, `messages_restored`
    again where their tombstones were; `messages_kept` stood already; `messages_refused` have another content today
    under the same key.
    """

    conversation_id: str
    created: bool = False
    undeleted: bool = False
    members_added: int = 0
    messages_added: int = 0
    messages_restored: int = 0
    messages_kept: int = 0
    messages_refused: int = 0


Answer = Sent | Changed | Created | ReadMark | Revived


class News(msgspec.Struct, frozen=True):
    """What one user is told on his own channel: `kind` is created, joined or removed."""

    user: str
    kind: str
    conversation_id: str


class Committed(msgspec.Struct, frozen=True):
    """What became durable for one draft: its answer, and what the others must hear of it, in order."""

    answer: Answer
    events: tuple[AnyEvent, ...] = ()
    news: tuple[News, ...] = ()
    read_by: str | None = None


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What a subscriber gets, all from one transaction.

    `events` are all between the claim's offset and `top`, or none where `recovered` is False; `top` is the newest row.
    `beyond_top` tells that the claim names a position of today's epoch that the database does not have.
    """

    epoch: str
    top: RowId
    first_seq: int
    role: str
    read_seq: int
    recovered: bool
    events: list[AnyEvent]
    more: bool = False
    beyond_top: bool = False


class StoreFailed(Exception):
    """The database refused to work; nothing of the batch may be taken as written, and none of it as not written."""


class Store(Protocol):
    """One database file.

    Reads raise Unknown for whatever the user has no membership in, existing or not; TooManyRequests when the
    database is too busy, and Unavailable when it cannot be read.
    """

    @property
    def timeline(self) -> Timeline:
        """Return the file's generations; the last is the one that writes."""

    async def commit(self, drafts: Sequence[Draft]) -> list[Committed | Problem]:
        """Write a batch in one transaction, durable on return; one outcome per draft, in order.

        A draft that is refused changes nothing and does not touch its neighbours. Raises StoreFailed where the
        transaction failed: the caller must `reopen` before the next batch.
        """

    async def reopen(self) -> None:
        """Replace the writing connection and begin a new generation; raises StoreFailed while that is impossible."""

    async def recover(
        self,
        user: str,
        conversation_id: str,
        claim: Claim | None,
        events_max: int,
        bytes_max: int,
        *,
        backward: bool = False,
    ) -> Recovered:
        """Read membership, footing and the events after the claim's offset in one transaction.

        Without a claim no events are read. `backward` reads those before the offset, the newest first; there no claim
        means the end. Over `events_max` events or `bytes_max` bytes of JSON `more` is True and
        `events` is what fitted.
        """

    async def page(self, user: str, query: ReadHistory, limit: int) -> Page:
        """Read messages, ascending, and the position, in one transaction; fewer than `limit` where they are large."""

    async def message(self, user: str, query: GetMessage) -> Message:
        """Read one message or its tombstone."""

    async def conversation(self, user: str, query: GetConversation) -> Conversation:
        """Read one conversation as `user` sees it."""

    async def conversations(self, user: str, query: ListConversations, limit: int) -> Listing:
        """List the conversations of `user` by last activity, newest first."""

    async def members(self, user: str, query: ListMembers, limit: int) -> MemberPage:
        """List the members in order of joining."""
