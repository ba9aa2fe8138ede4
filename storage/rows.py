"""Rows of the database, as tuples in the order of their statements, turned into the nouns of the chat."""

from __future__ import annotations

from typing import Any

import msgspec

from chat.ids import conversation_id_of, key_from_column
from chat.models import (
    AnyEvent,
    Conversation,
    ConversationDeleted,
    ConversationRestored,
    ConversationUpdated,
    Member,
    MemberChanged,
    MemberJoined,
    MemberLeft,
    Message,
    MessageDeleted,
    MessageEdited,
    MessageRestored,
    version,
)
from chat.timeline import Timeline

Row = tuple[Any, ...]


def conversation_of(row: Row, persona: str, timeline: Timeline) -> Conversation:
    """Read a row of conversations.view or conversations.listing."""
    (
        _,
        name,
        kind,
        title,
        metadata,
        created_ms,
        updated_ms,
        first_seq,
        last_seq,
        changed_seq,
        changed_generation,
        role,
        read_seq,
        unread_count,
    ) = row
    return Conversation(
        conversation_id=conversation_id_of(persona, name),
        kind=kind,
        title=title,
        metadata=_json(metadata),
        created_at=created_ms,
        updated_at=updated_ms,
        first_seq=first_seq,
        last_seq=last_seq,
        changed_seq=changed_seq,
        version=version(timeline.epoch_of(changed_generation), changed_seq),
        epoch=timeline.epoch,
        role=role,
        read_seq=read_seq,
        unread_count=unread_count,
    )


def message_of(row: Row, conversation_id: str, timeline: Timeline) -> Message:
    """Read a row of messages.before or messages.after."""
    (
        seq,
        sender,
        key,
        role,
        content_type,
        content,
        attachments,
        reply_to,
        metadata,
        created_ms,
        edited_ms,
        deleted_ms,
        changed_seq,
        changed_generation,
    ) = row
    return Message(
        conversation_id=conversation_id,
        seq=seq,
        epoch=timeline.epoch_of(changed_generation),
        sender=sender,
        client_message_id=key_from_column(key),
        role=role,
        content_type=content_type,
        content=content,
        attachments=_json(attachments),
        reply_to=reply_to,
        metadata=_json(metadata),
        created_at=created_ms,
        edited_at=edited_ms,
        deleted_at=deleted_ms,
        changed_seq=changed_seq,
    )


def event_of(row: Row, conversation_id: str, timeline: Timeline) -> AnyEvent:
    """Read a row of changes.after: an edit or a restoring shows its message of today, under the version of today."""
    seq, kind, message_seq, actor, payload, generation, created_ms = row[:7]
    if kind in _STATEFUL:
        return _stateful(_STATEFUL[kind], row, conversation_id, timeline)
    common = {
        "conversation_id": conversation_id,
        "seq": seq,
        "epoch": timeline.epoch_of(generation),
        "actor": actor,
    }
    if kind == "message.deleted":
        return MessageDeleted(**common, message_seq=message_seq, changed_seq=seq, deleted_at=created_ms)
    fields = {} if payload is None else msgspec.json.decode(payload)
    return _EVENTS[kind](**common, created_at=created_ms, **fields)  # type: ignore[no-any-return]


def member_of(row: Row) -> Member:
    """Read a row of members.listing."""
    user, role, read_seq, joined_ms, _ = row
    return Member(user=user, role=role, read_seq=read_seq, joined_at=joined_ms)


_EVENTS: dict[str, Any] = {
    "member.joined": MemberJoined,
    "member.changed": MemberChanged,
    "member.left": MemberLeft,
    "conversation.updated": ConversationUpdated,
    "conversation.deleted": ConversationDeleted,
    "conversation.restored": ConversationRestored,
}
_STATEFUL: dict[str, Any] = {"message.edited": MessageEdited, "message.restored": MessageRestored}
"""Events that show a message as it is today."""


def _stateful(event: Any, row: Row, conversation_id: str, timeline: Timeline) -> AnyEvent:
    (
        seq,
        _,
        message_seq,
        actor,
        _,
        generation,
        _,
        content_type,
        content,
        attachments,
        metadata,
        edited_ms,
        deleted_ms,
        changed_seq,
        changed_generation,
    ) = row
    if changed_seq is None:  # the message itself was purged: the event stands for itself
        changed_seq, changed_generation = seq, generation
    return event(  # type: ignore[no-any-return]
        conversation_id=conversation_id,
        seq=seq,
        epoch=timeline.epoch_of(changed_generation),
        message_seq=message_seq,
        changed_seq=changed_seq,
        actor=actor,
        content_type=content_type,
        content=content,
        attachments=_json(attachments),
        metadata=_json(metadata),
        edited_at=edited_ms,
        deleted_at=deleted_ms,
    )


def _json(text: str | None) -> Any:
    return None if text is None else msgspec.Raw(text.encode())
