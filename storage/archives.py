"""Archives: the copies in the folder `restores`, read-only, each asked in a thread of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import msgspec

import sql
from chat.archive import ArchivedConversation, ArchivedMember, ArchivedMessage
from chat.errors import Unavailable, Unknown
from chat.ids import uuid_of
from chat.models import RowId
from storage.engine import sqlite3
from storage.ledger import Ledger, LedgerUnreadable
from storage.paths import path_of

RESTORES = "restores"
NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,80}\Z")

STATEMENTS = sql.load("archive")
CONVERSATIONS = sql.load("conversations")
MEMBERS = sql.load("members")

Result = TypeVar("Result")


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversation of today lacks that a copy has of it, and how the conversation itself is today.

    Of the copy's messages so many are `missing`, `deleted`, or `kept`. `members_added` become members again. `messages`
    and `members` are how many there are when it has come back.
    """

    conversation: Literal["stands", "deleted", "missing"]
    missing: int
    deleted: int
    kept: int
    members_added: int
    messages: int
    members: int


class RestoredArchives:
    """The copies of a data folder: each a folder in `restores`, with one file per persona."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def archive(self, name: str, persona: str) -> FileArchive:
        """Find a persona's file in a copy; raises Unknown where there is none, and for what names no folder here."""
        file = path_of(self._data, persona)
        return FileArchive(find_copy(self._data, name, file.name), file)


class FileArchive:
    """A copy of `database`, whose ledger tells who left since."""

    def __init__(self, path: Path, database: Path) -> None:
        self.path = path
        self._ledger = Ledger(database)

    async def conversation(self, conversation_id: str) -> ArchivedConversation:
        """Read how a conversation was; see Archive.conversation."""
        return await asyncio.to_thread(self.look, conversation_id)

    def look(self, conversation_id: str) -> ArchivedConversation:
        """Read how a conversation was, in this thread; see Archive.conversation."""
        return self._answer(lambda connection: self._conversation(connection, conversation_id))

    async def messages(self, conversation_id: str, after: int, limit: int) -> Sequence[ArchivedMessage]:
        """Read messages in their order; see Archive.messages."""
        return await asyncio.to_thread(
            self._answer, lambda connection: _messages(connection, conversation_id, after, limit)
        )

    def _answer(self, question: Callable[[Any], Result]) -> Result:
        try:
            with closing(sqlite3.connect(f"file:{quote(str(self.path))}?mode=ro", uri=True)) as connection:
                return question(connection)
        except (sqlite3.Error, LedgerUnreadable) as error:
            raise Unavailable(f"the copy cannot be read: {error}") from error

    def _conversation(self, connection: Any, conversation_id: str) -> ArchivedConversation:
        row = _find(connection, conversation_id)
        number, kind, title, metadata, creator, key, fingerprint, created_ms = row
        values = {"conversation": number}
        departures = frozenset(
            RowId(seq, epoch) for seq, epoch in connection.execute(STATEMENTS["departures"], values)
        )
        return ArchivedConversation(
            conversation_id=conversation_id,
            kind=kind,
            title=title,
            metadata=metadata,
            creator=creator,
            creation_key=key,
            creation_fingerprint=fingerprint,
            created_ms=created_ms,
            members=tuple(ArchivedMember(*row) for row in connection.execute(STATEMENTS["members"], values)),
            departures=departures,
            removed=self._removed(conversation_id, departures),
        )

    def _removed(self, conversation_id: str, departures: frozenset[RowId]) -> frozenset[str]:
        """Name those of whom the ledger's last word, among what the copy does not know, is that they left."""
        last: dict[str, str] = {}
        for entry in self._ledger.read(conversation_id.partition(":")[0]).entries.values():
            is_news = RowId(entry.seq, entry.epoch) not in departures
            if entry.conversation_id == conversation_id and entry.user is not None and is_news:
                last[entry.user] = entry.kind
        return frozenset(user for user, kind in last.items() if kind == "member.left")


def find_copy(data: Path, name: str, file: str) -> Path:
    """Find a file in a copy; raises Unknown where there is none, and for what names no folder here.

    Raises Unavailable where it is another user's.
    """
    if not NAME.match(name):
        raise Unknown(f"a copy is named by a folder in {RESTORES}, and by nothing else")
    folder = data / RESTORES / name
    path = folder / file
    try:
        if folder.is_symlink() or path.is_symlink() or not path.is_file():
            raise Unknown(f"there is no copy {name} with that file in {RESTORES}")
    except OSError as error:
        raise Unavailable(f"the copy {name} cannot be read: {error.strerror}") from error
    return path


def missing(database: Path, copied: Path, conversation_id: str) -> Missing:
    """Compare a conversation of a copy with the same of a database that may be served; writes nothing.

    Raises Unknown where the copy does not have it, Unavailable where the copy cannot be read, and sqlite3.Error where
    the database cannot.
    """
    archived = FileArchive(copied, database).look(conversation_id)
    with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as connection:
        connection.execute("ATTACH ? AS copy", (f"file:{quote(str(copied))}?mode=ro",))
        values = {"uuid": uuid_of(conversation_id)}
        absent, deleted, kept, standing = connection.execute(STATEMENTS["missing"], values).fetchone()
        row = connection.execute(CONVERSATIONS["find"], values).fetchone()
        here, left = _people(connection, row, archived)
    coming = {member.user for member in archived.members} - here - left - archived.removed
    hidden = row is not None and row[-1] is not None
    return Missing(
        conversation="missing" if row is None else "deleted" if hidden else "stands",
        missing=absent,
        deleted=deleted,
        kept=kept,
        members_added=len(coming),
        messages=standing + absent + deleted,
        members=len(here) + len(coming),
    )


def _people(connection: Any, row: Any, archived: ArchivedConversation) -> tuple[set[str], set[str]]:
    """Return who is a member of today's conversation, and who left it since the copy was made."""
    values = {"conversation": None if row is None else row[0]}
    departures = connection.execute(CONVERSATIONS["departures"], values)
    left = {user for seq, epoch, user in departures if RowId(seq, epoch) not in archived.departures}
    return {name for (name,) in connection.execute(MEMBERS["names"], values)}, left


def copy_file(source: Path, target: Path) -> None:
    """Copy a database file with what stands in its WAL, as of one moment; somebody may be using it.

    Raises sqlite3.Error where it cannot be read.
    """
    uri = f"file:{quote(str(source))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as origin, closing(sqlite3.connect(target)) as copied:
        origin.backup(copied)


def _find(connection: Any, conversation_id: str) -> Any:
    row = connection.execute(STATEMENTS["conversation"], {"uuid": uuid_of(conversation_id)}).fetchone()
    if row is None:
        raise Unknown("the copy does not have that conversation, or it was deleted by then")
    return row


def _messages(connection: Any, conversation_id: str, after: int, limit: int) -> list[ArchivedMessage]:
    values = {"conversation": _find(connection, conversation_id)[0], "after": after, "limit": limit}
    return [
        ArchivedMessage(**dict(zip(ArchivedMessage.__struct_fields__, row, strict=True)))
        for row in connection.execute(STATEMENTS["messages"], values)
    ]
