"""Archives: the copies in the folder `restores`, read-only, each asked in a thread of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

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

Result = TypeVar("Result")


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
        return await self._ask(lambda connection: self._conversation(connection, conversation_id))

    async def messages(self, conversation_id: str, after: int, limit: int) -> Sequence[ArchivedMessage]:
        """Read messages in their order; see Archive.messages."""
        return await self._ask(lambda connection: _messages(connection, conversation_id, after, limit))

    async def _ask(self, question: Callable[[Any], Result]) -> Result:
        return await asyncio.to_thread(self._answer, question)

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


def missing(database: Path, copied: Path, conversation_id: str) -> tuple[int, int, int]:
    """Count which messages of a copy are missing, deleted and still there in a database that may be served.

    Raises sqlite3.Error where one of them cannot be read.
    """
    with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as connection:
        connection.execute("ATTACH ? AS copy", (f"file:{quote(str(copied))}?mode=ro",))
        row = connection.execute(STATEMENTS["missing"], {"uuid": uuid_of(conversation_id)}).fetchone()
        return int(row[0]), int(row[1]), int(row[2])


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
