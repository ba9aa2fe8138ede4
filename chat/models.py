"""The nouns: users, conversations, members, messages and the events that change them; frozen, with the wire's names."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

SEQ_MAX = 2**53 - 1  # what every JSON reader keeps exact

Json = Any
"""Any JSON value that a client attached (metadata, attachments); kept as it came, never looked into."""


class User(msgspec.Struct, frozen=True):
    """Whoever a token speaks for. `expires_s` is the token's end in Unix seconds, 0 for never."""

    id: str
    scopes: frozenset[str] = frozenset()
    expires_s: int = 0
    info: Json = None
    channels: tuple[str, ...] = ()


class RowId(msgspec.Struct, frozen=True):
    """The identity of one row of a conversation over all pasts and futures (`seq`, `epoch`)."""

    seq: Annotated[int, msgspec.Meta(ge=0, le=SEQ_MAX)]
    epoch: str


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What took one `seq` of a conversation. `seq` is the recoverable offset; times are milliseconds UTC.

    `epoch` is that of the row that `changed_seq` names, or of the event's own row where there is none.
    """

    conversation_id: str
    seq: int
    epoch: str


class Message(Event, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="message"):
    """A message as it stands today; the same in events, pages and answers."""

    sender: str
    client_message_id: str
    role: str
    content_type: str
    content: str | None = None
    attachments: Json = None
    reply_to: int | None = None
    metadata: Json = None
    created_at: int
    edited_at: int | None = None
    deleted_at: int | None = None
    changed_seq: int

    @property
    def version(self) -> str:
        """Name this state of the message; the ETag without its quotes."""
        return version(self.epoch, self.changed_seq)


class MessageEdited(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="message.edited"
):
    """A message got another content; carries the message's state of today, which may be newer than this event."""

    message_seq: int
    changed_seq: int
    actor: str
    content_type: str | None = None
    content: str | None = None
    attachments: Json = None
    metadata: Json = None
    edited_at: int | None = None
    deleted_at: int | None = None


class MessageDeleted(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="message.deleted"
):
    """A message was deleted; its tombstone stays."""

    message_seq: int
    changed_seq: int
    actor: str
    deleted_at: int


class MessageRestored(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="message.restored"
):
    """A deleted message was brought back by an operator; carries the message's state of today, as an edit does."""

    message_seq: int
    changed_seq: int
    actor: str
    content_type: str | None = None
    content: str | None = None
    attachments: Json = None
    metadata: Json = None
    edited_at: int | None = None
    deleted_at: int | None = None


class MemberJoined(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="member.joined"
):
    """Somebody became a member."""

    user: str
    role: str
    actor: str
    created_at: int


class MemberChanged(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="member.changed"
):
    """A member got another role."""

    user: str
    role: str
    actor: str
    created_at: int


class MemberLeft(Event, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="member.left"):
    """A member left, or was removed by `actor`."""

    user: str
    actor: str
    created_at: int


class ConversationUpdated(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="conversation.updated"
):
    """The title or the metadata changed; only what changed is present."""

    actor: str
    created_at: int
    title: str | None | msgspec.UnsetType = msgspec.UNSET
    metadata: Json | msgspec.UnsetType = msgspec.UNSET


class ConversationDeleted(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="conversation.deleted"
):
    """The conversation was hidden; nobody can open it any more."""

    actor: str
    created_at: int


class ConversationRestored(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="conversation.restored"
):
    """A deleted conversation was brought back by an operator; its members can open it again."""

    actor: str
    created_at: int


AnyEvent = (
    Message
    | MessageEdited
    | MessageDeleted
    | MessageRestored
    | MemberJoined
    | MemberChanged
    | MemberLeft
    | ConversationUpdated
    | ConversationDeleted
    | ConversationRestored
)


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes part: `role` is owner, admin or member; `read_seq` the newest seq that the user has read."""

    user: str
    role: str
    read_seq: int
    joined_at: int


class Conversation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation as one of its members sees it. `unread_count` stops at a limit (setting).

    `replicated_seq` is the watermark under `epoch`: the newest seq that is proven to be on the replica, if it is known.
    """

    conversation_id: str
    kind: str
    title: str | None = None
    metadata: Json = None
    created_at: int
    updated_at: int
    first_seq: int
    last_seq: int
    changed_seq: int
    version: str
    epoch: str
    role: str
    read_seq: int
    unread_count: int
    replicated_seq: int | msgspec.UnsetType = msgspec.UNSET


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A run of messages, ascending, and the position of the conversation in the same moment.

    `next` is the seq to go on from: `before` it on the newest page and those read with `before`, `after` it on those
    read with `after` or `around`; or None where that is the end. `previous` is the same for the other way.
    `replicated_seq` is the watermark under `epoch`, if it is known.
    """

    items: list[Message]
    next: int | None
    previous: int | None
    epoch: str
    offset: int
    replicated_seq: int | msgspec.UnsetType = msgspec.UNSET


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events after a position, ascending. `next` is the offset to go on from, or None at the top."""

    items: list[AnyEvent]
    next: int | None
    epoch: str
    offset: int


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One user's conversations by last activity, newest first; `next` is an opaque cursor or None."""

    items: list[Conversation]
    next: str | None


class MemberPage(msgspec.Struct, frozen=True, kw_only=True):
    """The members of a conversation in order of joining; `next` is an opaque cursor or None."""

    items: list[Member]
    next: str | None


def version(epoch: str, changed_seq: int) -> str:
    """Join the two halves of a version: `<epoch>.<changed_seq>`."""
    return f"{epoch}.{changed_seq}"
