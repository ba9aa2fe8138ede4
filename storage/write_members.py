"""Writes of members: add, change, remove, read positions; each a function inside the writer's transaction."""

from __future__ import annotations

import msgspec

from chat.commands import AddMember, MarkRead, RemoveMember, UpdateMember
from chat.errors import PermissionDenied, Unknown, UnrecoverablePosition
from chat.models import AnyEvent, MemberChanged, MemberJoined, MemberLeft, version
from chat.store import Changed, Committed, Draft, News, ReadMark
from storage.writing import CONVERSATIONS, MEMBERS, MESSAGES, Place, Writing

OWNER, ADMIN, MEMBER = "owner", "admin", "member"
MODERATORS = (OWNER, ADMIN)


def add(writing: Writing, draft: Draft, command: AddMember) -> Committed:
    """Make somebody a member; who is one already stays as he is."""
    entered = writing.enter_once(draft, command.conversation_id, command.idempotency_key)
    if isinstance(entered, Changed):
        return Committed(entered)
    place, author, role = entered
    if role not in MODERATORS:
        raise PermissionDenied("only the owner and admins can add members")
    if command.role == ADMIN and role != OWNER:
        raise PermissionDenied("only the owner can make an admin")
    user = writing.intern(command.user)
    if _is_member(writing, place, user):
        return Committed(_unchanged(writing, place))
    return _join(writing, place, author, user, draft, command)


def update(writing: Writing, draft: Draft, command: UpdateMember) -> Committed:
    """Give a member another role; making another the owner makes the owner an admin."""
    entered = writing.enter_once(draft, command.conversation_id, command.idempotency_key)
    if isinstance(entered, Changed):
        return Committed(entered)
    place, author, role = entered
    if role != OWNER:
        raise PermissionDenied("only the owner can change roles")
    user = writing.user(command.user)
    if writing.role(place, user) == command.role:
        return Committed(_unchanged(writing, place))
    if user == author:
        raise PermissionDenied("make another member the owner instead")
    seq, event = _set_role(
        writing, place, author, user, draft, command.user, command.role, command.idempotency_key
    )
    events: tuple[AnyEvent, ...] = (event,)
    if command.role == OWNER:
        events += (_set_role(writing, place, author, author, draft, draft.author, ADMIN)[1],)
    return Committed(writing.changed(place, seq), events)


def remove(writing: Writing, draft: Draft, command: RemoveMember) -> Committed:
    """End a membership; an owner who leaves hands over to the admin or member who has been there longest."""
    entered = writing.enter_once(draft, command.conversation_id, command.idempotency_key, leaves=True)
    if isinstance(entered, Changed):
        return Committed(entered)
    place, author, role = entered
    user = writing.user(command.user)
    _check_removal(author, role, user, writing.role(place, user))
    return _leave(writing, place, author, user, draft, command)


def remove_again(writing: Writing, place: Place, author: int, draft: Draft, command: RemoveMember) -> bool:
    """Remove a member whom a restore brought back; False where he is none."""
    user = writing.intern(command.user)
    if not _is_member(writing, place, user):
        return False
    _leave(writing, place, author, user, draft, command)
    return True


def mark_read(writing: Writing, draft: Draft, command: MarkRead) -> Committed:
    """Move a read position forward, never back."""
    place, author, _ = writing.enter(draft, command.conversation_id)
    if command.seq > place.last_seq:
        raise UnrecoverablePosition("there is no event with that seq")
    if command.version is not None:
        writing.check_lineage(place, command.seq, command.version)
    values = {"conversation": place.number, "user": author, "read_seq": command.seq}
    moved = writing.execute(MEMBERS["mark_read"], values).rowcount == 1
    _, read_seq = writing.one(MEMBERS["find"], values)
    unread_count = writing.one(
        MESSAGES["unread"], values | {"read_seq": read_seq, "unread_max": writing.unread_max}
    )[0]
    answer = ReadMark(conversation_id=place.conversation_id, read_seq=read_seq, unread_count=unread_count)
    return Committed(answer, read_by=draft.author if moved else None)


def _leave(
    writing: Writing, place: Place, author: int, user: int, draft: Draft, command: RemoveMember
) -> Committed:
    events: tuple[AnyEvent, ...] = ()
    if writing.role(place, user) == OWNER:
        events = _hand_over(writing, place, user, draft)
    seq = writing.change(
        place,
        author,
        draft,
        "member.left",
        payload=msgspec.json.encode({"user": command.user}),
        key=command.idempotency_key,
    )
    writing.execute(MEMBERS["remove"], {"conversation": place.number, "user": user})
    place.roles.pop(user, None)
    event = MemberLeft(
        conversation_id=place.conversation_id,
        seq=seq,
        epoch=writing.epoch,
        user=command.user,
        actor=draft.author,
        created_at=draft.at_ms,
    )
    news = (News(command.user, "removed", place.conversation_id),)
    return Committed(writing.changed(place, seq), (*events, event), news)


def _is_member(writing: Writing, place: Place, user: int) -> bool:
    try:
        writing.role(place, user)
    except Unknown:
        return False
    return True


def _join(
    writing: Writing, place: Place, author: int, user: int, draft: Draft, command: AddMember
) -> Committed:
    _check_room(writing, place)
    seq = writing.change(
        place,
        author,
        draft,
        "member.joined",
        payload=msgspec.json.encode({"user": command.user, "role": command.role}),
        key=command.idempotency_key,
    )
    writing.execute(
        MEMBERS["add"],
        {"conversation": place.number, "user": user, "role": command.role, "joined_ms": draft.at_ms},
    )
    place.roles[user] = command.role
    event = MemberJoined(
        conversation_id=place.conversation_id,
        seq=seq,
        epoch=writing.epoch,
        user=command.user,
        role=command.role,
        actor=draft.author,
        created_at=draft.at_ms,
    )
    news = (News(command.user, "joined", place.conversation_id),)
    return Committed(writing.changed(place, seq), (event,), news)


def _check_room(writing: Writing, place: Place) -> None:
    if writing.one(MEMBERS["count"], {"conversation": place.number})[0] >= writing.members_max:
        raise PermissionDenied(f"a conversation has at most {writing.members_max} members")


def _check_removal(author: int, role: str, user: int, user_role: str) -> None:
    if author == user or role == OWNER:
        return
    if role != ADMIN or user_role != MEMBER:
        raise PermissionDenied("the owner can remove anybody, an admin only members, a member only himself")


def _hand_over(writing: Writing, place: Place, leaver: int, draft: Draft) -> tuple[AnyEvent, ...]:
    heir = writing.one(MEMBERS["heir"], {"conversation": place.number, "leaver": leaver})
    if heir is None:
        return ()
    name = writing.name(heir[0])
    return (_set_role(writing, place, leaver, heir[0], draft, name, OWNER)[1],)


def _set_role(
    writing: Writing,
    place: Place,
    author: int,
    user: int,
    draft: Draft,
    name: str,
    role: str,
    key: str | None = None,
) -> tuple[int, MemberChanged]:
    seq = writing.change(
        place,
        author,
        draft,
        "member.changed",
        payload=msgspec.json.encode({"user": name, "role": role}),
        key=key,
    )
    writing.execute(MEMBERS["set_role"], {"conversation": place.number, "user": user, "role": role})
    place.roles[user] = role
    return seq, MemberChanged(
        conversation_id=place.conversation_id,
        seq=seq,
        epoch=writing.epoch,
        user=name,
        role=role,
        actor=draft.author,
        created_at=draft.at_ms,
    )


def _unchanged(writing: Writing, place: Place) -> Changed:
    """Answer that nothing had to change: the conversation's newest seq, under the epoch of its row."""
    row = writing.one(CONVERSATIONS["generation_at"], {"conversation": place.number, "seq": place.last_seq})
    generation = place.generation if row is None else row[0]
    return Changed(
        conversation_id=place.conversation_id,
        seq=place.last_seq,
        epoch=writing.epoch,
        version=version(writing.timeline.epoch_of(generation), place.last_seq),
        duplicate=True,
    )
