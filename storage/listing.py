"""The list of one user's conversations: the one statement whose filters depend on the request."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Select, func, literal, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from chat.commands import ListConversations
from chat.errors import BadRequest
from storage.tables import changes, conversations, members, messages, users

_CURSOR = re.compile(r"\A([0-9]{1,16})\.([0-9]{1,16})\Z")


def listing(user: str, query: ListConversations, limit: int, unread_max: int) -> Select[Any]:
    """Write the statement, whose columns are those of conversations.view; raises BadRequest for a made-up cursor.

    The page is chosen first, over the user's memberships alone; what costs more is asked for its few rows only.
    """
    page = (
        select(
            conversations.c.number,
            conversations.c.updated_ms,
            members.c.role,
            members.c.read_seq,
            members.c.user,
        )
        .select_from(users)
        .join(members, members.c.user == users.c.number)
        .join(conversations, conversations.c.number == members.c.conversation)
        .where(users.c.id == user, conversations.c.deleted_ms.is_(None), *_filters(query))
        .order_by(conversations.c.updated_ms.desc(), conversations.c.number.desc())
        .limit(limit)
        .subquery("page")
    )
    chosen = conversations.alias("c")
    return (
        select(
            chosen.c.number,
            chosen.c.uuid,
            chosen.c.kind,
            chosen.c.title,
            chosen.c.metadata,
            chosen.c.created_ms,
            chosen.c.updated_ms,
            chosen.c.first_seq,
            chosen.c.last_seq,
            chosen.c.changed_seq,
            func.coalesce(_changed_generation(chosen), chosen.c.generation),
            page.c.role,
            page.c.read_seq,
            _unread(chosen, page, unread_max),
        )
        .select_from(page)
        .join(chosen, chosen.c.number == page.c.number)
        .order_by(page.c.updated_ms.desc(), page.c.number.desc())
    )


def read_cursor(cursor: str | None) -> tuple[int, int] | None:
    """Read a cursor of two numbers, as it was handed out; raises BadRequest for any other."""
    if cursor is None:
        return None
    match = _CURSOR.match(cursor)
    if match is None:
        raise BadRequest("that cursor is not one that was handed out; leave it away to start again")
    return int(match[1]), int(match[2])


def _filters(query: ListConversations) -> list[ColumnElement[bool]]:
    filters = []
    before = read_cursor(query.cursor)
    if before is not None:
        position = tuple_(conversations.c.updated_ms, conversations.c.number)
        filters.append(position < tuple_(literal(before[0]), literal(before[1])))
    if query.kind is not None:
        filters.append(conversations.c.kind == query.kind)
    return filters


def _changed_generation(chosen: Any) -> Any:
    return (
        select(changes.c.generation)
        .where(changes.c.conversation == chosen.c.number, changes.c.seq == chosen.c.changed_seq)
        .scalar_subquery()
    )


def _unread(chosen: Any, page: Any, unread_max: int) -> Any:
    unread = (
        select(messages.c.seq)
        .where(
            messages.c.conversation == chosen.c.number,
            messages.c.seq > page.c.read_seq,
            messages.c.sender != page.c.user,
            messages.c.deleted_ms.is_(None),
        )
        .limit(unread_max)
        .correlate(chosen, page)
        .subquery()
    )
    return select(func.count()).select_from(unread).scalar_subquery()
