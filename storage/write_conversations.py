"""Writes of conversations: create, update, delete; each a function inside the writer's transaction."""

from __future__ import annotations

from typing import Any

import msgspec
import uuid_utils

from chat.commands import CreateConversation, DeleteConversation, UpdateConversation
from chat.errors import KeyReused, PermissionDenied, ReplayRefused, UnrecoverablePosition, VersionMismatch
from chat.ids import conversation_id_of, key_to_column, uuid_of
from chat.models import Conversation, ConversationDeleted, ConversationUpdated, version
from chat.store import Changed, Committed, Created, Draft, News
from storage.rows import conversation_of
from storage.write_members import MODERATORS, OWNER
from storage.writing import CONVERSATIONS, MEMBERS, Place, Writing


def create(writing: Writing, draft: Draft, command: CreateConversation) -> Committed:
    """Open a conversation; its creation takes no seq. The same key finds the first one for ever."""
    creator = writing.intern(draft.author)
    if command.idempotency_key is not None:
        found = writing.one(
            CONVERSATIONS["find_creation"],
            {"creator": creator, "creation_key": key_to_column(command.idempotency_key)},
        )
        if found is not None:
            return _created_before(writing, draft, found)
    if writing.timeline.refuses_replay(command.first_sent_epoch):
        raise ReplayRefused
    conversation_id = _insert(writing, creator, draft, command)
    members = [name for name in dict.fromkeys(command.members) if name != draft.author]
    place = writing.place(conversation_id)
    _add_member(writing, place, creator, OWNER, draft.at_ms)
    for name in members:
        _add_member(writing, place, writing.intern(name), "member", draft.at_ms)
    news = tuple(News(name, "created", conversation_id) for name in (draft.author, *members))
    return Committed(
        Created(conversation=_view(writing, draft.author, conversation_id), duplicate=False), (), news
    )


def update(writing: Writing, draft: Draft, command: UpdateConversation) -> Committed:
    """Change title or metadata."""
    entered = writing.enter_once(draft, command.conversation_id, command.idempotency_key)
    if isinstance(entered, Changed):
        return Committed(entered)
    place, author, role = entered
    if role not in MODERATORS:
        raise PermissionDenied("only the owner and admins can change a conversation")
    _check_version(writing, place, command.version)
    payload: dict[str, Any] = {}
    if command.title is not msgspec.UNSET:
        payload["title"] = command.title
        writing.execute(CONVERSATIONS["set_title"], {"number": place.number, "title": command.title})
    if command.metadata is not msgspec.UNSET:
        text = None if draft.metadata is None else draft.metadata.decode()
        payload["metadata"] = None if draft.metadata is None else msgspec.Raw(draft.metadata)
        writing.execute(CONVERSATIONS["set_metadata"], {"number": place.number, "metadata": text})
    seq = writing.change(
        place,
        author,
        draft,
        "conversation.updated",
        payload=msgspec.json.encode(payload),
        key=command.idempotency_key,
    )
    place.changed_seq = seq
    event = ConversationUpdated(
        conversation_id=place.conversation_id,
        seq=seq,
        epoch=writing.epoch,
        actor=draft.author,
        created_at=draft.at_ms,
        **payload,
    )
    return Committed(writing.changed(place, seq), (event,))


def delete(writing: Writing, draft: Draft, command: DeleteConversation) -> Committed:
    """Hide a conversation from everybody; its rows stay."""
    entered = writing.enter_once(draft, command.conversation_id, command.idempotency_key, leaves=True)
    if isinstance(entered, Changed):
        return Committed(entered)
    place, author, role = entered
    if role != OWNER:
        raise PermissionDenied("only the owner can delete a conversation")
    seq = writing.change(place, author, draft, "conversation.deleted", key=command.idempotency_key)
    writing.execute(CONVERSATIONS["hide"], {"number": place.number, "at_ms": draft.at_ms})
    names = [row[0] for row in writing.execute(MEMBERS["names"], {"conversation": place.number})]
    writing.drop(place)
    event = ConversationDeleted(
        conversation_id=place.conversation_id,
        seq=seq,
        epoch=writing.epoch,
        actor=draft.author,
        created_at=draft.at_ms,
    )
    news = tuple(News(name, "removed", place.conversation_id) for name in names)
    return Committed(writing.changed(place, seq), (event,), news)


def _insert(writing: Writing, creator: int, draft: Draft, command: CreateConversation) -> str:
    name = uuid_utils.uuid7().bytes
    key = command.idempotency_key
    writing.execute(
        CONVERSATIONS["add"],
        {
            "uuid": name,
            "kind": command.kind,
            "title": command.title,
            "metadata": None if draft.metadata is None else draft.metadata.decode(),
            "creator": creator,
            "creation_key": None if key is None else key_to_column(key),
            "creation_fingerprint": None if key is None else draft.fingerprint,
            "generation": writing.generation,
            "at_ms": draft.at_ms,
        },
    )
    return writing.new_conversation_id(name)


def _add_member(writing: Writing, place: Place, user: int, role: str, at_ms: int) -> None:
    writing.execute(
        MEMBERS["add"], {"conversation": place.number, "user": user, "role": role, "joined_ms": at_ms}
    )
    place.roles[user] = role


def _created_before(writing: Writing, draft: Draft, found: tuple[bytes, bytes]) -> Committed:
    name, fingerprint = found
    if fingerprint != draft.fingerprint:
        raise KeyReused
    conversation_id = conversation_id_of(writing.persona, name)
    place, _, _ = writing.enter(draft, conversation_id)
    return Committed(
        Created(conversation=_view(writing, draft.author, place.conversation_id), duplicate=True)
    )


def _view(writing: Writing, user: str, conversation_id: str) -> Conversation:
    writing.flush()
    row = writing.one(
        CONVERSATIONS["view"],
        {"user": user, "uuid": uuid_of(conversation_id), "unread_max": writing.unread_max},
    )
    return conversation_of(row, writing.persona, writing.timeline)


def _check_version(writing: Writing, place: Place, named: str | None) -> None:
    """Hold the version that was named against that of the newest change of title or metadata, else the creation."""
    if named is None:
        return
    row = writing.one(
        CONVERSATIONS["generation_at"], {"conversation": place.number, "seq": place.changed_seq}
    )
    generation = place.generation if row is None else row[0]
    if named == version(writing.timeline.epoch_of(generation), place.changed_seq):
        return
    if not writing.timeline.knows(named.partition(".")[0]):
        raise UnrecoverablePosition
    raise VersionMismatch
