"""Writes of a revival: what a copy holds of a conversation comes back, each piece as an event of today.

All of it may be asked again: what stands is left as it is. Whoever left since the copy was made does not come back.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chat.archive import ArchivedConversation, ArchivedMember, ArchivedMessage
from chat.commands import RestoreConversation, RestoreMessages
from chat.errors import BadRequest
from chat.ids import key_from_column, uuid_of
from chat.models import AnyEvent, ConversationRestored, MemberJoined, Message, MessageRestored, RowId
from chat.store import Committed, Draft, News, Revived
from storage.write_members import ADMIN, OWNER
from storage.writing import CONVERSATIONS, MEMBERS, MESSAGES, USERS, Place, Writing

RESTORED_PER_DRAFT_MAX = 500


def conversation(writing: Writing, draft: Draft, command: RestoreConversation) -> Committed:
    """Bring back the conversation itself, and its members."""
    archived = command.archived
    writing.flush()
    row = writing.one(CONVERSATIONS["find"], {"uuid": uuid_of(command.conversation_id)})
    events: tuple[AnyEvent, ...] = ()
    undeleted = row is not None and row[-1] is not None
    if row is None:
        _insert(writing, draft, archived)
    elif undeleted:
        events = (_show(writing, draft, Place(command.conversation_id, row[:-1])),)
    place = writing.place(command.conversation_id)
    here = _members(writing, place) if undeleted else []
    joined = _bring_members(writing, place, draft, archived, silently=row is None)
    news = tuple(News(name, "joined", place.conversation_id) for name in here + [each[0] for each in joined])
    events += tuple(event for _, event in joined if event is not None)
    answer = Revived(
        conversation_id=place.conversation_id,
        created=row is None,
        undeleted=undeleted,
        members_added=len(joined),
    )
    return Committed(answer, events, news)


def messages(writing: Writing, draft: Draft, command: RestoreMessages) -> Committed:
    """Bring back what is missing as new messages, and what is deleted in its old place."""
    if len(command.messages) > RESTORED_PER_DRAFT_MAX:
        raise BadRequest(f"at most {RESTORED_PER_DRAFT_MAX} messages come back in one draft")
    place = writing.place(command.conversation_id)
    author = writing.intern(draft.author)
    events: list[AnyEvent] = []
    added = restored = kept = refused = 0
    for archived in command.messages:
        sender = writing.intern(archived.sender)
        row = _today(writing, place, sender, archived.key)
        if row is None:
            events.append(_add(writing, place, draft, sender, archived))
            added += 1
        elif row[1] != archived.fingerprint:
            refused += 1
        elif row[2] is None:
            kept += 1
        else:
            events.append(_undelete(writing, place, author, draft, row[0], archived))
            restored += 1
    answer = Revived(
        conversation_id=place.conversation_id,
        messages_added=added,
        messages_restored=restored,
        messages_kept=kept,
        messages_refused=refused,
    )
    return Committed(answer, tuple(events))


def _insert(writing: Writing, draft: Draft, archived: ArchivedConversation) -> None:
    creator, key = writing.intern(archived.creator), archived.creation_key
    values = {"creator": creator, "creation_key": key}
    if key is not None and writing.one(CONVERSATIONS["find_creation"], values) is not None:
        # Its creator asked again after the rewind and got another conversation under that key: the key stays with it.
        key = None
    writing.execute(
        CONVERSATIONS["add_again"],
        {
            "uuid": uuid_of(archived.conversation_id),
            "kind": archived.kind,
            "title": archived.title,
            "metadata": archived.metadata,
            "creator": creator,
            "creation_key": key,
            "creation_fingerprint": None if key is None else archived.creation_fingerprint,
            "generation": writing.generation,
            "created_ms": archived.created_ms,
            "at_ms": draft.at_ms,
        },
    )


def _show(writing: Writing, draft: Draft, hidden: Place) -> ConversationRestored:
    seq = writing.change(hidden, writing.intern(draft.author), draft, "conversation.restored")
    writing.execute(CONVERSATIONS["show"], {"number": hidden.number})
    writing.flush()
    return ConversationRestored(
        conversation_id=hidden.conversation_id,
        seq=seq,
        epoch=writing.epoch,
        actor=draft.author,
        created_at=draft.at_ms,
    )


def _members(writing: Writing, place: Place) -> list[str]:
    return [row[0] for row in writing.execute(MEMBERS["names"], {"conversation": place.number})]


def _bring_members(
    writing: Writing, place: Place, draft: Draft, archived: ArchivedConversation, *, silently: bool
) -> list[tuple[str, MemberJoined | None]]:
    here = set(_members(writing, place))
    absent = here | archived.removed | _left_since(writing, place, archived)
    room = max(0, writing.members_max - len(here))
    coming = [member for member in archived.members if member.user not in absent][:room]
    # Who owned it comes first, so that nobody else is made the owner.
    coming.sort(key=lambda member: (member.role != OWNER, member.user))
    return [(member.user, _bring(writing, place, draft, member, silently=silently)) for member in coming]


def _left_since(writing: Writing, place: Place, archived: ArchivedConversation) -> set[str]:
    rows = writing.execute(CONVERSATIONS["departures"], {"conversation": place.number})
    return {user for seq, epoch, user in rows if RowId(seq, epoch) not in archived.departures}


def _bring(
    writing: Writing, place: Place, draft: Draft, member: ArchivedMember, *, silently: bool
) -> MemberJoined | None:
    """Make somebody a member again: a conversation has one owner, and never none."""
    user = writing.intern(member.user)
    is_owned = writing.one(MEMBERS["owner"], {"conversation": place.number}) is not None
    role = OWNER if not is_owned else ADMIN if member.role == OWNER else member.role
    event = None if silently else _joined(writing, place, draft, member.user, role)
    writing.execute(
        MEMBERS["add"],
        {"conversation": place.number, "user": user, "role": role, "joined_ms": member.joined_ms},
    )
    place.roles[user] = role
    return event


def _joined(writing: Writing, place: Place, draft: Draft, user: str, role: str) -> MemberJoined:
    payload = msgspec.json.encode({"user": user, "role": role})
    seq = writing.change(place, writing.intern(draft.author), draft, "member.joined", payload=payload)
    return MemberJoined(
        conversation_id=place.conversation_id,
        seq=seq,
        epoch=writing.epoch,
        user=user,
        role=role,
        actor=draft.author,
        created_at=draft.at_ms,
    )


def _today(writing: Writing, place: Place, sender: int, key: Any) -> Any:
    values = {"conversation": place.number, "sender": sender, "client_message_id": key}
    return writing.one(MESSAGES["today"], values)


def _reply_to(writing: Writing, place: Place, archived: ArchivedMessage) -> int | None:
    if archived.reply_to_sender is None:
        return None
    sender = writing.one(USERS["find"], {"id": archived.reply_to_sender})
    row = None if sender is None else _today(writing, place, sender[0], archived.reply_to_key)
    return None if row is None else int(row[0])


def _add(writing: Writing, place: Place, draft: Draft, sender: int, archived: ArchivedMessage) -> Message:
    seq, reply_to = writing.take_seq(place, draft.at_ms), _reply_to(writing, place, archived)
    writing.execute(
        MESSAGES["add_again"],
        _content(archived)
        | {
            "conversation": place.number,
            "seq": seq,
            "sender": sender,
            "client_message_id": archived.key,
            "fingerprint": archived.fingerprint,
            "role": archived.role,
            "reply_to": reply_to,
            "input_tokens": archived.input_tokens,
            "output_tokens": archived.output_tokens,
            "status": archived.status,
            "generation": writing.generation,
            "created_ms": archived.created_ms,
        },
    )
    return Message(
        conversation_id=place.conversation_id,
        seq=seq,
        epoch=writing.epoch,
        sender=archived.sender,
        client_message_id=key_from_column(archived.key),
        role=archived.role,
        content_type=archived.content_type,
        content=archived.content,
        attachments=_raw(archived.attachments),
        reply_to=reply_to,
        metadata=_raw(archived.metadata),
        created_at=archived.created_ms,
        edited_at=archived.edited_ms,
        changed_seq=seq,
    )


def _undelete(
    writing: Writing, place: Place, author: int, draft: Draft, message_seq: int, archived: ArchivedMessage
) -> MessageRestored:
    seq = writing.change(place, author, draft, "message.restored", message_seq=message_seq)
    writing.execute(
        MESSAGES["undelete"],
        _content(archived) | {"conversation": place.number, "seq": message_seq, "changed_seq": seq},
    )
    return MessageRestored(
        conversation_id=place.conversation_id,
        seq=seq,
        epoch=writing.epoch,
        message_seq=message_seq,
        changed_seq=seq,
        actor=draft.author,
        content_type=archived.content_type,
        content=archived.content,
        attachments=_raw(archived.attachments),
        metadata=_raw(archived.metadata),
        edited_at=archived.edited_ms,
    )


def _content(archived: ArchivedMessage) -> dict[str, Any]:
    return {
        "content_type": archived.content_type,
        "content": archived.content,
        "attachments": archived.attachments,
        "metadata": archived.metadata,
        "thinking": archived.thinking,
        "edited_ms": archived.edited_ms,
    }


def _raw(text: str | None) -> Any:
    return None if text is None else msgspec.Raw(text.encode())
