"""Writes of messages: send, edit, delete; each a function inside the writer's transaction."""

from __future__ import annotations

from typing import Any

import msgspec

from chat.commands import DeleteMessage, EditMessage, SendMessage
from chat.errors import (
    BadRequest,
    KeyReused,
    PermissionDenied,
    Problem,
    ReplayRefused,
    Unknown,
    VersionMismatch,
)
from chat.ids import key_to_column
from chat.models import Message, MessageDeleted, MessageEdited, version
from chat.store import Changed, Committed, Draft, Sent
from storage.writing import CHANGES, MESSAGES, Place, Writing

MODERATORS = ("owner", "admin")


def send(writing: Writing, draft: Draft, command: SendMessage) -> Committed:
    """Store a message, or find it: the unique index tells a retry from a new one."""
    place, author, _ = writing.enter(draft, command.conversation_id)
    objection = _objection(writing, place, command)
    if objection is None:
        seq = place.last_seq + 1
        if _insert(writing, place, author, draft, command, seq):
            return sent(writing, place, draft, command, writing.take_seq(place, draft.at_ms))
    return _retry(writing, place, author, draft, command, objection)


def sent(writing: Writing, place: Place, draft: Draft, command: SendMessage, seq: int) -> Committed:
    """Write the answer and the event of a message that was just stored."""
    answer = Sent(
        conversation_id=place.conversation_id,
        seq=seq,
        epoch=writing.epoch,
        version=version(writing.epoch, seq),
        created_at=draft.at_ms,
        duplicate=False,
    )
    return Committed(answer, (_message(writing, draft, command, seq),))


def edit(writing: Writing, draft: Draft, command: EditMessage) -> Committed:
    """Give a message another content, and record the edit."""
    entered = writing.enter_once(draft, command.conversation_id, command.idempotency_key)
    if isinstance(entered, Changed):
        return Committed(entered)
    place, author, _ = entered
    state = _state(writing, place, command.seq)
    _check_version(writing, place, command.seq, command.version, state.changed_seq)
    if state.deleted_ms is not None:
        raise Unknown("the message was deleted")
    if state.sender != author:
        raise PermissionDenied("only its sender can edit a message")
    return _edit(writing, place, author, draft, command, state)


def delete(writing: Writing, draft: Draft, command: DeleteMessage) -> Committed:
    """Turn a message into its tombstone, and record the deletion; deleting twice is the same as once."""
    entered = writing.enter_once(draft, command.conversation_id, command.idempotency_key)
    if isinstance(entered, Changed):
        return Committed(entered)
    place, author, role = entered
    state = _state(writing, place, command.seq)
    if state.deleted_ms is not None:
        return Committed(_deleted_before(writing, place, command, state))
    _check_version(writing, place, command.seq, command.version, state.changed_seq)
    if state.sender != author and role not in MODERATORS:
        raise PermissionDenied("only its sender, an admin or the owner can delete a message")
    return _delete(writing, place, author, draft, command)


def delete_again(writing: Writing, place: Place, author: int, draft: Draft, command: DeleteMessage) -> bool:
    """Delete a message that a restore brought back; False where it is a tombstone already."""
    if _state(writing, place, command.seq).deleted_ms is not None:
        return False
    _delete(writing, place, author, draft, command)
    return True


def text_of(encoded: bytes | None) -> str | None:
    """Write canonical JSON as a column holds it."""
    return None if encoded is None else encoded.decode()


class _State(msgspec.Struct, frozen=True):
    sender: int
    changed_seq: int
    deleted_ms: int | None
    content_type: str
    attachments: str | None
    metadata: str | None
    edited_ms: int | None


def _state(writing: Writing, place: Place, seq: int) -> _State:
    row = writing.one(MESSAGES["state"], {"conversation": place.number, "seq": seq})
    if row is None:
        raise Unknown
    return _State(*row)


def _objection(writing: Writing, place: Place, command: SendMessage) -> Problem | None:
    """Say why a message may not be new; a retry of one that was taken is answered all the same."""
    if writing.timeline.refuses_replay(command.first_sent_epoch):
        return ReplayRefused()
    if command.reply_to is None:
        return None
    try:
        _state(writing, place, command.reply_to)
        if command.reply_to_version is not None:
            writing.check_lineage(place, command.reply_to, command.reply_to_version)
    except Unknown:
        return Unknown("reply_to names no message of this conversation")
    except Problem as problem:
        return problem
    return None


def _insert(
    writing: Writing, place: Place, author: int, draft: Draft, command: SendMessage, seq: int
) -> bool:
    cursor = writing.execute(
        MESSAGES["add"],
        {
            "conversation": place.number,
            "seq": seq,
            "sender": author,
            "client_message_id": key_to_column(command.client_message_id),
            "fingerprint": draft.fingerprint,
            "role": command.role,
            "content_type": command.content_type,
            "content": command.content,
            "attachments": text_of(draft.attachments),
            "reply_to": command.reply_to,
            "metadata": text_of(draft.metadata),
            "generation": writing.generation,
            "created_ms": draft.at_ms,
        },
    )
    return bool(cursor.rowcount == 1)


def _retry(
    writing: Writing, place: Place, author: int, draft: Draft, command: SendMessage, objection: Problem | None
) -> Committed:
    row = writing.one(
        MESSAGES["find_key"],
        {
            "conversation": place.number,
            "sender": author,
            "client_message_id": key_to_column(command.client_message_id),
        },
    )
    if row is None:
        assert objection is not None
        raise objection
    seq, fingerprint, generation, created_ms = row
    if fingerprint != draft.fingerprint:
        raise KeyReused
    return Committed(
        Sent(
            conversation_id=place.conversation_id,
            seq=seq,
            epoch=writing.epoch,
            version=version(writing.timeline.epoch_of(generation), seq),
            created_at=created_ms,
            duplicate=True,
        )
    )


def _message(writing: Writing, draft: Draft, command: SendMessage, seq: int) -> Message:
    return Message(
        conversation_id=command.conversation_id,
        seq=seq,
        epoch=writing.epoch,
        sender=draft.author,
        client_message_id=command.client_message_id,
        role=command.role,
        content_type=command.content_type,
        content=command.content,
        attachments=_raw(draft.attachments),
        reply_to=command.reply_to,
        metadata=_raw(draft.metadata),
        created_at=draft.at_ms,
        changed_seq=seq,
    )


def _edit(
    writing: Writing, place: Place, author: int, draft: Draft, command: EditMessage, state: _State
) -> Committed:
    attachments = state.attachments if command.attachments is msgspec.UNSET else text_of(draft.attachments)
    metadata = state.metadata if command.metadata is msgspec.UNSET else text_of(draft.metadata)
    content_type = state.content_type if command.content_type is msgspec.UNSET else command.content_type
    if not command.content and attachments is None:
        raise BadRequest("a message has content or attachments")
    seq = writing.change(
        place, author, draft, "message.edited", message_seq=command.seq, key=command.idempotency_key
    )
    writing.execute(
        MESSAGES["edit"],
        {
            "conversation": place.number,
            "seq": command.seq,
            "content": command.content,
            "content_type": content_type,
            "attachments": attachments,
            "metadata": metadata,
            "changed_seq": seq,
            "at_ms": draft.at_ms,
        },
    )
    event = MessageEdited(
        conversation_id=place.conversation_id,
        seq=seq,
        epoch=writing.epoch,
        message_seq=command.seq,
        changed_seq=seq,
        actor=draft.author,
        content_type=content_type,
        content=command.content,
        attachments=_raw(attachments),
        metadata=_raw(metadata),
        edited_at=draft.at_ms,
    )
    return Committed(writing.changed(place, seq, message_seq=command.seq), (event,))


def _delete(writing: Writing, place: Place, author: int, draft: Draft, command: DeleteMessage) -> Committed:
    seq = writing.change(
        place, author, draft, "message.deleted", message_seq=command.seq, key=command.idempotency_key
    )
    writing.execute(
        MESSAGES["delete"],
        {"conversation": place.number, "seq": command.seq, "changed_seq": seq, "at_ms": draft.at_ms},
    )
    event = MessageDeleted(
        conversation_id=place.conversation_id,
        seq=seq,
        epoch=writing.epoch,
        message_seq=command.seq,
        changed_seq=seq,
        actor=draft.author,
        deleted_at=draft.at_ms,
    )
    return Committed(writing.changed(place, seq, message_seq=command.seq), (event,))


def _deleted_before(writing: Writing, place: Place, command: DeleteMessage, state: _State) -> Changed:
    if command.version is not None:
        writing.check_lineage(place, command.seq, command.version)
    _, generation = writing.one(CHANGES["find"], {"conversation": place.number, "seq": state.changed_seq})
    return writing.changed(
        place, state.changed_seq, message_seq=command.seq, generation=generation, duplicate=True
    )


def _check_version(writing: Writing, place: Place, seq: int, named: str | None, changed_seq: int) -> None:
    if named is not None and writing.check_lineage(place, seq, named) != changed_seq:
        raise VersionMismatch


def _raw(encoded: bytes | str | None) -> Any:
    return None if encoded is None else msgspec.Raw(encoded)
