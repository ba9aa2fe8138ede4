"""SQLiteStore: one database file with one writer and a few readers, behind the chat's Store interface."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from chat.commands import GetConversation, GetMessage, ListConversations, ListMembers, ReadHistory
from chat.errors import Problem, Unknown
from chat.ids import uuid_of
from chat.models import Conversation, Listing, MemberPage, Message, Page
from chat.observer import Observer
from chat.settings import Settings
from chat.store import Committed, Draft, Recovered, StoreFailed
from chat.timeline import START, SWAPPED, Claim, Generation, Timeline
from storage import batch, checkpoint, generations, heartbeat, ledger, migrate, noted, reading, rows
from storage.agreeing import agree
from storage.blank import make_blank
from storage.checkpoint import Checkpoint
from storage.connection import HeldConnection, Readers, not_opened
from storage.engine import sqlite3
from storage.identity import Identity, identity_of, inode_of, lost_of, size_of, wal_of
from storage.listing import listing
from storage.lock import FileLock
from storage.space import optimize
from storage.tuning import Tuning
from storage.writing import Writing

logger = logging.getLogger("palaver.storage")

NOT_OPENED = Timeline([Generation(number=0, epoch="", kind=START, since_ms=0, cause="it was not opened yet")])

Result = TypeVar("Result")


class SQLiteStore:
    """One file. `open` before use, `close` at the end; `commit` and `reopen` are for its one writer alone."""

    def __init__(self, persona: str, path: Path, settings: Settings, observer: Observer) -> None:
        self.persona = persona
        self.path = path
        self._path_text = str(path)  # looked at before every batch, and much cheaper than a Path
        self._settings = settings
        self._lock = FileLock(path)
        self._ledger = ledger.Ledger(path)
        self._readers = Readers(path, settings, observer)
        self._writer: HeldConnection | None = None
        self._timeline = NOT_OPENED
        self._writing: Writing | None = None
        self._identity: Identity | None = None
        self._damaged = False
        self._put: Callable[[], None] | None = None

    @property
    def timeline(self) -> Timeline:
        """Return the file's generations; the last is the one that writes."""
        return self._timeline

    async def open(self) -> None:
        """Lock, migrate and begin a generation.

        Raises AlreadyServed, MigrationRefused or StoreFailed, each with what to do.
        """
        self._lock.acquire()
        try:
            await self._open()
        except BaseException:
            self._lock.release()
            raise

    async def open_or_hold(self) -> str:
        """Open it, or hold its lock alone and say why: nobody else writes to it until `reopen` opens it.

        Raises AlreadyServed.
        """
        self._lock.acquire()
        try:
            await self._open()
        except (StoreFailed, migrate.MigrationRefused) as error:
            return str(error)
        except BaseException:
            self._lock.release()
            raise
        return ""

    async def close(self) -> None:
        """End the generation cleanly and give the file back."""
        await self.optimize()
        await self._end_generation()
        await self._close_connections()
        self._lock.release()

    async def commit(self, drafts: Sequence[Draft]) -> list[Committed | Problem]:
        """Write a batch in one transaction; see Store.commit."""
        writer, writing = self._writer, self._writing
        if writer is None or writing is None:
            raise StoreFailed(f"{self.path.name} is not open")
        return await writer.run(lambda connection: self._write(connection, writing, drafts))

    async def optimize(self) -> None:
        """Let SQLite keep its statistics fit, between two batches; what fails is logged and does no harm."""
        if self._writer is None or self._identity != identity_of(self._path_text):
            return
        try:
            await self._writer.run(optimize)
        except (sqlite3.Error, ValueError) as error:  # ValueError: it was closed while we waited for our turn
            logger.warning("%s could not be optimized: %s", self.path.name, error)

    async def exchange(self, put: Callable[[], None]) -> None:
        """Close the file, let `put` place another one under its name, and open that; the lock is held all the while.

        `put` is called in a thread. Where it raises StoreFailed, so does this, and `reopen` calls it again first:
        nobody writes to a file that is still to be replaced.
        """
        self._put = put
        await self._end_generation()
        await self._close_connections()
        await self.reopen()

    async def reopen(self) -> None:
        """Replace the writing connection; see Store.reopen. A file that is gone is never made anew."""
        if self._writer is not None:
            await self._save_lost_wal(self._writer)
            await self._writer.close()
            self._writer = self._writing = None
        if self._put is not None:
            await asyncio.to_thread(self._put)
            self._put = self._identity = None
        try:
            inode = inode_of(self.path)
            swapped = self._identity is not None and self._identity[:2] != inode
        except OSError as error:
            raise StoreFailed(
                f"{self.path} is gone ({error.strerror}): put it back, or stop the server and restore it"
            ) from error
        # Readers hold on to the files that they opened, and to the index of a WAL that is no longer there: reads wait.
        if self._identity != identity_of(self._path_text):
            await self._readers.close()
        writer = await HeldConnection.open(self.path, Tuning.of(self._settings))
        try:
            if self._damaged:
                await writer.run(_check_pages)
            await writer.run(lambda connection: migrate.migrate(connection, migrate.shipped()))
            await self._begin_generation(writer, "reopened after a failure", swapped=swapped)
            if not self._readers.is_open:
                await self._readers.close()
                await self._readers.open()
        except (sqlite3.Error, migrate.MigrationRefused, StoreFailed) as error:
            await writer.close()
            self._writing = None
            if isinstance(error, sqlite3.Error):
                raise not_opened(self.path, error) from error
            raise StoreFailed(str(error)) from error
        self._writer = writer

    async def beat(self, now_ms: int) -> None:
        """Write the heartbeat row; raises StoreFailed where the file takes no writes."""
        await self._look_after(lambda connection: heartbeat.beat(connection, now_ms))

    async def checkpoint(self) -> Checkpoint:
        """Copy the WAL back as far as nobody is disturbed; raises StoreFailed."""
        return await self._look_after(checkpoint.passive)

    async def note(self) -> None:
        """Write down beside the file how far it came; see storage/noted.py."""
        try:
            async with self._readers.snapshot() as reader:
                await reader.run(self._note)
        except Problem as problem:
            logger.info("%s is noted later: %s", self.path.name, problem.detail)

    async def recover(
        self,
        user: str,
        conversation_id: str,
        claim: Claim | None,
        events_max: int,
        bytes_max: int,
        *,
        backward: bool = False,
    ) -> Recovered:
        """Read membership, footing and events in one transaction; see Store.recover."""
        async with self._readers.snapshot() as reader:
            return await reading.recover(
                reader,
                self._timeline_now,
                user,
                conversation_id,
                claim,
                events_max,
                bytes_max,
                backward=backward,
            )

    async def page(self, user: str, query: ReadHistory, limit: int) -> Page:
        """Read a page and the position in one transaction; see Store.page."""
        async with self._readers.snapshot() as reader:
            bytes_max = self._settings.recover_bytes_max
            return await reading.page(reader, self._timeline_now, user, query, limit, bytes_max)

    async def message(self, user: str, query: GetMessage) -> Message:
        """Read one message or its tombstone; see Store.message."""
        async with self._readers.snapshot() as reader:
            return await reading.message(reader, self._timeline_now, user, query.conversation_id, query.seq)

    async def conversation(self, user: str, query: GetConversation) -> Conversation:
        """Read one conversation as `user` sees it; see Store.conversation."""
        name = uuid_of(query.conversation_id)
        unread_max = self._settings.unread_count_max
        async with self._readers.snapshot() as reader:
            row = await reader.fetch_one("conversations", "view", user=user, uuid=name, unread_max=unread_max)
        if row is None:
            raise Unknown
        return rows.conversation_of(row, self.persona, self._timeline)

    async def conversations(self, user: str, query: ListConversations, limit: int) -> Listing:
        """List the conversations of `user`; see Store.conversations."""
        statement = listing(user, query, limit + 1, self._settings.unread_count_max)
        async with self._readers.snapshot() as reader:
            found = await reader.query(statement)
        shown = found[:limit]
        following = f"{shown[-1][6]}.{shown[-1][0]}" if len(found) > limit else None
        items = [rows.conversation_of(row, self.persona, self._timeline) for row in shown]
        return Listing(items=items, next=following)

    async def members(self, user: str, query: ListMembers, limit: int) -> MemberPage:
        """List the members in order of joining; see Store.members."""
        async with self._readers.snapshot() as reader:
            return await reading.members(reader, user, query, limit)

    def sizes(self) -> tuple[int, int]:
        """Return the bytes of the database file and of its WAL."""
        return size_of(self.path), size_of(wal_of(self.path))

    async def _open(self) -> None:
        try:
            make_blank(self.path)
            self._writer = await HeldConnection.open(self.path, Tuning.of(self._settings))
            await self._writer.run(lambda connection: migrate.migrate(connection, migrate.shipped()))
            await self._begin_generation(self._writer, "start of the server")
            await self._readers.open()
        except BaseException as error:
            await self._close_connections()
            if isinstance(error, sqlite3.Error | OSError):
                raise not_opened(self.path, error) from error
            raise

    async def _look_after(self, act: Callable[[Any], Result]) -> Result:
        writer = self._writer
        if writer is None or self._identity != identity_of(self._path_text):
            raise StoreFailed(f"{self.path.name} is not open, or no longer where it was")
        try:
            return await writer.run(act)
        except (sqlite3.Error, ValueError) as error:  # ValueError: it was closed while we waited for our turn
            raise StoreFailed(str(error)) from error

    def _timeline_now(self) -> Timeline:
        return self._timeline

    def _write(self, connection: Any, writing: Writing, drafts: Sequence[Draft]) -> list[Committed | Problem]:
        # A deleted or replaced file can still be written to, and whatever goes there is lost: look before each batch.
        if self._identity != identity_of(self._path_text):
            writing.forget()
            lost = lost_of(self.path, self._identity)
            raise StoreFailed(f"{lost} was moved, deleted or replaced while the server was running")
        try:
            outcomes = batch.write(connection, writing, drafts)
        except StoreFailed as error:
            # OperationalError is the disk's or another process's doing; its parent means damaged pages.
            self._damaged = type(error.__cause__) is sqlite3.DatabaseError
            raise
        if writing.recorded():
            self._record(connection, writing)
        return outcomes

    def _record(self, connection: Any, writing: Writing) -> None:
        """Put what must survive a restore into the ledger: after the commit, and before anybody is answered."""
        try:
            self._ledger.append(ledger.entries_of(connection, self.persona, writing.recorded()))
        except (OSError, sqlite3.Error) as error:
            logger.error("%s cannot be written (%s): the next start catches up", self._ledger.path, error)

    async def _begin_generation(self, writer: HeldConnection, cause: str, *, swapped: bool = False) -> None:
        settings = self._settings
        self._timeline = await writer.run(lambda connection: self._begin(connection, cause, swapped=swapped))
        self._identity = identity_of(self._path_text)
        writing = Writing(
            self.persona,
            self._timeline,
            unread_max=settings.unread_count_max,
            members_max=settings.members_max,
        )
        await writer.run(lambda connection: agree(connection, writing, self._ledger))
        self._writing = writing

    def _begin(self, connection: Any, cause: str, *, swapped: bool) -> Timeline:
        verdict = noted.judge(connection, self.path, generations.read(connection))
        if swapped:
            verdict = noted.Verdict(SWAPPED, "the file was replaced while the server was running")
        if verdict is not None:
            name = self.path.name
            logger.error("%s is not as it was left: %s; %s", name, verdict.cause, verdict.meaning)
            cause = f"{cause}: {verdict.cause}"
        synchronous, kind = self._settings.synchronous, verdict.kind if verdict else None
        timeline = generations.begin(connection, cause, synchronous, kind)
        noted.take(connection, self.path, timeline, synchronous)
        noted.mark(connection)
        return timeline

    async def _end_generation(self) -> None:
        if self._writer is None:
            return
        try:
            await self._writer.run(self._end)
        except sqlite3.Error as error:
            logger.warning("the generation of %s did not end cleanly: %s", self.path.name, error)

    def _end(self, connection: Any) -> None:
        generations.end(connection, self._timeline.current.number)
        self._note(connection)

    def _note(self, connection: Any) -> None:
        noted.take(connection, self.path, self._timeline, self._settings.synchronous)

    async def _save_lost_wal(self, writer: HeldConnection) -> None:
        """Copy what stood in a WAL that was deleted under us into the database, while a connection still has it."""
        try:
            same_file = self._identity is not None and self._identity[:2] == inode_of(self.path)
            if same_file and self._identity != identity_of(self._path_text):
                await writer.run(
                    lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                )
                logger.error("the WAL of %s was deleted while the server was running", self.path.name)
        except (OSError, sqlite3.Error) as error:
            logger.error("what stood in the WAL of %s could not be saved: %s", self.path.name, error)

    async def _close_connections(self) -> None:
        await self._readers.close()
        if self._writer is not None:
            await self._writer.close()
            self._writer = self._writing = None


def _check_pages(connection: Any) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"the database is damaged ({found})")
