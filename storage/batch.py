"""One batch of drafts in one transaction: what `SQLiteStore.commit` runs in the thread of its writing connection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from chat import commands
from chat.errors import Internal, Problem
from chat.store import Committed, Draft, StoreFailed
from storage import write_conversations, write_members, write_messages, write_revivals
from storage.engine import sqlite3
from storage.sends import Sends
from storage.writing import Writing

Outcome = Committed | Problem
Write = Callable[[Writing, Draft, Any], Committed]

WRITES: dict[type, Write] = {
    commands.SendMessage: write_messages.send,
    commands.EditMessage: write_messages.edit,
    commands.DeleteMessage: write_messages.delete,
    commands.MarkRead: write_members.mark_read,
    commands.CreateConversation: write_conversations.create,
    commands.UpdateConversation: write_conversations.update,
    commands.DeleteConversation: write_conversations.delete,
    commands.AddMember: write_members.add,
    commands.UpdateMember: write_members.update,
    commands.RemoveMember: write_members.remove,
    commands.RestoreConversation: write_revivals.conversation,
    commands.RestoreMessages: write_revivals.messages,
}

logger = logging.getLogger("palaver.storage")


def write(connection: Any, writing: Writing, drafts: Sequence[Draft]) -> list[Outcome]:
    """Write all drafts in one transaction, durable on return; one outcome per draft.

    The common case pays for no savepoint. A draft that trips over a constraint makes the batch start again with one
    savepoint per draft, so that its neighbours do not notice. Raises StoreFailed where the database itself refuses.
    """
    try:
        return _write_together(connection, writing, drafts)
    except sqlite3.OperationalError as error:
        raise _failed(connection, writing, error) from error
    except sqlite3.DatabaseError as error:
        if type(error) is sqlite3.DatabaseError:  # a corrupt page, a file that is no database
            raise _failed(connection, writing, error) from error
    except Exception:
        logger.exception("a draft failed; its batch is written again, one savepoint per draft")
    _roll_back(connection, writing)
    try:
        return _write_apart(connection, writing, drafts)
    except sqlite3.Error as error:
        raise _failed(connection, writing, error) from error


def _write_together(connection: Any, writing: Writing, drafts: Sequence[Draft]) -> list[Outcome]:
    writing.begin(connection)
    sends = Sends(writing)
    outcomes: dict[int, Outcome] = {}
    for index, draft in enumerate(drafts):
        command = draft.command
        if isinstance(command, commands.SendMessage) and sends.take(index, draft, command):
            continue
        sends.flush(outcomes)
        outcomes[index] = _write_one(writing, draft)
    sends.flush(outcomes)
    writing.finish()
    return [outcomes[index] for index in range(len(drafts))]


def _write_apart(connection: Any, writing: Writing, drafts: Sequence[Draft]) -> list[Outcome]:
    writing.begin(connection)
    outcomes = [_write_guarded(connection, writing, draft) for draft in drafts]
    writing.finish()
    return outcomes


def _write_one(writing: Writing, draft: Draft) -> Outcome:
    try:
        return WRITES[type(draft.command)](writing, draft, draft.command)
    except Problem as problem:
        return problem


def _write_guarded(connection: Any, writing: Writing, draft: Draft) -> Outcome:
    connection.execute("SAVEPOINT draft")
    try:
        outcome = _write_one(writing, draft)
        writing.flush()
    except sqlite3.OperationalError:
        raise
    except Exception:
        logger.exception("a draft was refused by the database")
        connection.execute("ROLLBACK TO draft")
        writing.forget()
        outcome = Internal("this draft cannot be stored; it was not, and the others were")
    connection.execute("RELEASE draft")
    return outcome


def _failed(connection: Any, writing: Writing, error: Exception) -> StoreFailed:
    _roll_back(connection, writing)
    return StoreFailed(str(error))


def _roll_back(connection: Any, writing: Writing) -> None:
    writing.forget()
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        logger.warning("the rollback failed too: %s", error)
