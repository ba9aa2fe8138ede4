"""The world of one history: the real store and what runs on it, the plain model, and all that anybody ever held."""

from __future__ import annotations

import asyncio
import copy
import os
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

from chat.commands import ReadHistory
from chat.drafts import Drafter
from chat.errors import INSUFFICIENT_STATE, Problem, Unavailable, Unknown
from chat.models import RowId, User
from chat.revival import revive
from chat.settings import Settings
from chat.store import Draft
from chat.timeline import Claim
from storage.archives import FileArchive
from storage.engine import sqlite3
from tests.model.asks import CONVERSATIONS, OWNER, Ask, Poison, Say, resolved
from tests.model.live import Live
from tests.model.plain import Opening, PlainFile, Talk
from tests.model.plain_ledger import PlainLedger
from tests.model.plain_revival import OPERATOR, bring_back
from tests.model.reader import Reader
from tests.model.rule import Held, may_go_on
from tests.model.swapping import restore_in_steps
from tests.model.told import expected_event, expected_message, today, told
from tests.support.stores import BYTES_MAX, EVENTS_MAX, OpenStore

Synchronous = Literal["full", "normal"]

READERS_MAX = 40
MARK_RESTORED = """
    INSERT INTO generations (epoch, kind, since_ms, cause, synchronous, replays, ledger)
    VALUES (?, 'restore', 0, 'a restore', 'full', ?, ?)
"""


class World:
    """`file` is what the database must hold. All else was once true for somebody, and may be presented again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "main.db"
        self.file = PlainFile([])
        self.has_ended = True
        self.is_swapped = False
        self.ledger = PlainLedger()
        self.copies_made = 0
        self.readers: list[Reader] = []
        self.said: list[Say] = []
        self.epochs: list[str] = []
        self.rows: list[tuple[int, str]] = []
        self.versions: list[list[str]] = [[] for _ in range(CONVERSATIONS)]

    async def begin(self, synchronous: Synchronous) -> None:
        """Open an empty file, and the conversations."""
        await self.open(synchronous)
        self.file.created_in = self.opened.epoch
        for _ in range(CONVERSATIONS):
            self.file.talks.append(Talk(await self.opened.create(OWNER, "bob")))
        self._listen()

    async def open(self, synchronous: Synchronous) -> None:
        """Start on the file as it is: the new opening has an epoch of its own, and the kind that the rules say."""
        settings = Settings(synchronous=synchronous, readers=1, write_retry_s=0.01)
        self.opened = OpenStore(self.path, settings)
        await self.opened.store.open()
        self.drafter = Drafter(settings)
        self._note_opening(synchronous)
        self.ledger.settle(self.file)
        if self.file.talks:
            self._note_rows()
        self.live = Live(self.opened.store, settings)
        self._listen()

    async def close(self) -> None:
        """Stop in good order."""
        await self.live.stop()
        await self.opened.store.close()
        self.has_ended = True

    async def crash(self) -> None:
        """Die: nothing is ended, and the lock goes with the process."""
        await self.live.drop()
        await self.opened.store._close_connections()
        self.opened.store._lock.release()

    async def batch(self, asks: list[Ask]) -> None:
        """Ask all at once, and hold each outcome against the model's."""
        asks = [self._resolved(ask) for ask in asks]
        outcomes = await self.live.write([self._draft(ask) for ask in asks])
        for ask, outcome in zip(asks, outcomes, strict=True):
            expected = self.file.ask(ask)
            if isinstance(outcome, Problem):
                assert outcome.name == expected, f"{ask}: {outcome!r} where {expected} was expected"
                continue
            assert isinstance(expected, dict), f"{ask}: {outcome} where {expected} was expected"
            assert {name: getattr(outcome, name) for name in expected} == expected, f"{ask}: {outcome}"
            assert outcome.epoch == self.opened.epoch  # type: ignore[union-attr]
        self._note_rows()

    async def retry(self, chosen: list[int], *, changes: bool) -> None:
        """Send some of what was ever said once more; `changes` gives one of them another content, under its key."""
        asks: list[Ask] = [self.said[-choice % len(self.said)] for choice in chosen if self.said]
        if asks and changes:
            asks.append(replace(asks[0], content="changed"))  # type: ignore[call-arg]
        if asks:
            await self.batch(asks)

    async def refused_batch(self, asks: list[Ask]) -> None:
        """Let the database refuse the transaction: everybody is told to try again, and nothing was written."""
        writer = self.opened.store._writer
        assert writer is not None
        await writer.run(lambda connection: connection.execute("PRAGMA query_only = ON"))
        await self._failing_batch([self._resolved(ask) for ask in asks])

    async def unanswered_batch(self, asks: list[Ask]) -> None:
        """Let the transaction succeed without anybody being told."""
        self.live.store.loses_answer = True
        asks = [self._resolved(ask) for ask in asks]
        await self._failing_batch(asks, written=asks)

    async def present(self, where: int, user: str, held: Held) -> None:
        """Recover from a position: it goes on exactly if the rule says so, and brings exactly what was missed."""
        talk = self.file.talks[where]
        seen = RowId(*held.seen) if held.seen is not None else None
        try:
            found = await self.opened.store.recover(
                user, talk.id, Claim(held.epoch, held.offset, seen), EVENTS_MAX, BYTES_MAX
            )
        except Unknown:
            assert user not in talk.roles
            return
        assert user in talk.roles
        goes_on = self.expects_to_go_on(talk, held)
        assert found.recovered == goes_on, f"{held} of {talk.rows}: {found.recovered}"
        missed = range(held.offset + 1, talk.top + 1) if goes_on else ()
        assert [told(event) for event in found.events] == [expected_event(talk, seq) for seq in missed]
        assert (found.epoch, found.top.seq) == (self.opened.epoch, talk.top)
        assert found.top.epoch == (talk.epoch_at(talk.top) or "")

    async def reconnect(self, reader: Reader, page_size: int, *, interrupted: bool, looks: bool) -> None:
        """Let a client come back: it must end with the conversation of today, or know that it has to reload."""
        talk = self.file.talks[reader.conversation]
        may, had_to_reload = self.expects_to_go_on(talk, reader.held()), reader.reload_due
        try:
            went_on = await reader.reconnect(self.opened.store, talk.id, page_size, interrupted=interrupted)
        except Unknown:
            assert reader.user not in talk.roles
            return
        assert went_on == (may and not had_to_reload)
        if not reader.reload_due:
            assert reader.view == today(talk), f"{reader.user} does not see the conversation of today"
        if looks:
            await reader.look(self.opened.store, talk.id, page_size)
        self._keep(reader)

    async def look(self, reader: Reader, page_size: int) -> None:
        """Let a client draw a page while the events before it are still on their way, and lose the connection then."""
        talk = self.file.talks[reader.conversation]
        if reader.user in talk.roles:
            await reader.look(self.opened.store, talk.id, page_size)
            self._keep(reader)

    async def page(self, where: int, user: str, before: int | None, page_size: int) -> None:
        """Read a page: the messages before a seq as they are today."""
        talk = self.file.talks[where]
        query = ReadHistory(conversation_id=talk.id, before=before)
        try:
            page = await self.opened.store.page(user, query, page_size)
        except Unknown:
            assert user not in talk.roles
            return
        seqs = [seq for seq in talk.messages if before is None or seq < before]
        assert [told(item) for item in page.items] == [
            expected_message(talk, seq) for seq in seqs[-page_size:]
        ]
        assert page.next == (seqs[-page_size] if len(seqs) > page_size else None)
        assert (page.previous is not None) == (len(seqs) < len(talk.messages))
        assert (page.epoch, page.offset) == (self.opened.epoch, talk.top)

    async def compare(self) -> None:
        """Hold all events, from the first, against the model: dense seqs, and one row per key."""
        for where, talk in enumerate(self.file.talks):
            await self.present(where, OWNER, Held("", 0))
            keys = [(said.sender, said.key) for said in talk.messages.values()]
            assert len(keys) == len(set(keys))

    def check_pushes(self) -> None:
        """Hold what was pushed since the last look against what was committed since."""
        for talk in self.file.talks:
            pile = self.live.piles[talk.id]
            told_of = [(event.seq, event.epoch) for event in pile]
            first = self.heard[talk.id] + 1
            assert told_of == [(seq, talk.epoch_at(seq)) for seq in range(first, talk.top + 1)]
            self.heard[talk.id] = talk.top
            pile.clear()

    def copy_file(self) -> tuple[Path, PlainFile]:
        """Copy the file as it is, while it is in use, and what it holds."""
        self.copies_made += 1
        copied = self.folder / f"copy-{self.copies_made}.db"
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(copied)) as target:
            source.backup(target)
        return copied, copy.deepcopy(self.file)

    def put_in_place(self, copied: Path, held: PlainFile) -> None:
        """Let the file be what a copy is. Nobody has it open, and it stays the same file to the eye."""
        for suffix in ("-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        shutil.copyfile(copied, self.path)
        self.file = copy.deepcopy(held)
        self.has_ended = False

    def swap(self, copied: Path, held: PlainFile) -> None:
        """Put another file where the file was, as somebody does who has never heard of generations."""
        fresh = self.path.with_name("fresh.db")
        shutil.copyfile(copied, fresh)
        for suffix in ("-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        os.replace(fresh, self.path)
        self.file = copy.deepcopy(held)
        self.is_swapped = True

    def restore_in_steps(self, copied: Path, held: PlainFile, killed_after: int, replays: str) -> None:
        """Put a copy in place by the real swap, which dies after some step."""
        self.copies_made += 1
        epoch = restore_in_steps(
            self.folder, copied, str(self.copies_made), killed_after=killed_after, replays=replays
        )
        if epoch is None:
            return
        self.file = copy.deepcopy(held)
        self.epochs.append(epoch)
        self.file.openings.append(Opening(epoch, "restore", replays=replays))

    async def bring_back(self, where: int, copied: Path, held: PlainFile) -> None:
        """Write what a copy has of a conversation, and today lacks, into the file that is served."""
        talk, then = self.file.talks[where], held.talks[where]
        removed = self.ledger.removed(talk, then)
        await revive(self.live.writer, FileArchive(copied, self.path), talk.id, OPERATOR)
        await asyncio.sleep(0)
        bring_back(self.file, talk, then, removed)
        self._note_rows()

    def mark_restored(self, replays: str, ledger: str = "apply") -> None:
        """Add the generation that says what the file is, before anybody opens it."""
        epoch = f"restore{len(self.epochs)}"
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(MARK_RESTORED, (epoch, replays, ledger))
        self.epochs.append(epoch)
        self.file.openings.append(Opening(epoch, "restore", replays=replays, ledger=ledger))

    def expects_to_go_on(self, talk: Talk, held: Held) -> bool:
        """Decide by the rule; a control replaces it, to show that the clients' own view would tell."""
        return may_go_on(self.file, talk, held)

    async def _failing_batch(self, asks: list[Ask], written: list[Ask] | None = None) -> None:
        outcomes = await self.live.write([self._draft(ask) for ask in asks])
        assert {type(outcome) for outcome in outcomes} == {Unavailable}
        await self.live.mended()
        for ask in written or ():
            self.file.ask(ask)
        self._note_rows()
        self.has_ended = False
        self._note_opening(self.file.openings[-1].synchronous)
        for pile in self.live.piles.values():
            assert pile == [INSUFFICIENT_STATE], "whoever may have missed something is told to come again"
        self._listen()

    def _note_opening(self, synchronous: str) -> None:
        is_unclean = (
            self.file.openings and not self.has_ended and self.file.openings[-1].synchronous != "full"
        )
        current = self.opened.store.timeline.current
        expected = "swapped" if self.is_swapped else "unclean" if is_unclean else "start"
        assert current.kind == expected, current
        self.is_swapped = False
        assert current.epoch not in self.epochs
        assert current.number == len(self.file.openings) + 1
        self.file.openings.append(Opening(current.epoch, current.kind, synchronous))
        self.epochs.append(current.epoch)
        self.has_ended = False

    def _note_rows(self) -> None:
        self.ledger.note(self.file)
        for talk, versions in zip(self.file.talks, self.versions, strict=True):
            for seq in range(1, talk.top + 1):
                row, version = (seq, talk.rows[seq - 1].epoch), talk.version_at(seq)
                if row not in self.rows:
                    self.rows.append(row)
                if version not in versions:
                    versions.append(version)

    def _listen(self) -> None:
        self.heard = {talk.id: talk.top for talk in self.file.talks}
        for talk in self.file.talks:
            self.live.listen(talk.id, talk.top)

    def _keep(self, reader: Reader) -> None:
        self.readers = [*self.readers, reader.copy()][-READERS_MAX:]

    def _resolved(self, ask: Ask) -> Ask:
        talk = self.file.talks[ask.conversation]
        senders = {seq: said.sender for seq, said in talk.messages.items()}
        ask = resolved(ask, self.versions[ask.conversation], self.epochs, senders)
        if isinstance(ask, Say):
            self.said.append(ask)
        return ask

    def _draft(self, ask: Ask) -> Draft:
        command = ask.command(self.file.talks[ask.conversation].id)
        if isinstance(ask, Poison):
            return Draft(ask.user, command, 1, b"poison")
        return self.drafter.draft(User(ask.user), command)
