"""The machine: random histories on the real store beside the plain model, and all that must hold after each step."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.model.asks import (
    ASKS,
    ASKS_MAX,
    CHANGES,
    CONVERSATIONS,
    HELD_MAX,
    OWNER,
    PEOPLE,
    SEQ_ASKED_MAX,
    TALK,
    Ask,
)
from tests.model.plain import PlainFile
from tests.model.reader import Reader
from tests.model.rule import Held
from tests.model.world import Synchronous, World

COPIES_MAX = 4
SHOWN = (
    1,
    3,
    5,
    7,
)  # the four clients that `abandon` leaves, each counted back from the newest when its turn comes

_WHERE = st.integers(0, CONVERSATIONS - 1)
_PEOPLE = st.sampled_from((OWNER, OWNER, *PEOPLE))
_CHOICE = st.integers(0, HELD_MAX)
_SYNCHRONOUS = st.sampled_from(("full", "normal"))
_RETURNING = st.lists(_CHOICE, max_size=4)
_REPLAYS = st.sampled_from(("accept", "refuse"))
_PAGE_SIZES = st.integers(1, 5)
_SEQS = st.integers(1, SEQ_ASKED_MAX)


class Histories(RuleBasedStateMachine):
    """Each rule is something that happens to a server, or that a client does; a control takes another `world_of`."""

    world_of: ClassVar[type[World]] = World

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="histories-"))
        self.runner = asyncio.Runner()
        self.world = self.world_of(self.folder)
        self.copies: list[tuple[Path, PlainFile]] = []

    @initialize(synchronous=_SYNCHRONOUS)
    def begin(self, synchronous: Synchronous) -> None:
        """Open an empty file, and the conversations of alice with bob."""
        self.do(self.world.begin(synchronous))

    @rule(asks=ASKS)
    def batch(self, asks: list[Ask]) -> None:
        """Everybody asks at once: one transaction, one outcome each."""
        self.do(self.world.batch(asks))

    @rule(asks=TALK)
    def talk(self, asks: list[Ask]) -> None:
        """People say something new."""
        self.do(self.world.batch(asks))

    @rule(asks=CHANGES)
    def change(self, asks: list[Ask]) -> None:
        """People change what they said."""
        self.do(self.world.batch(asks))

    @rule(asks=TALK | ASKS)
    def batch_that_the_disk_refuses(self, asks: list[Ask]) -> None:
        """The transaction fails; nothing of it is there, and the file is opened again."""
        self.do(self.world.refused_batch(asks))

    @rule(asks=TALK | ASKS)
    def batch_whose_answer_is_lost(self, asks: list[Ask]) -> None:
        """The transaction is committed and nobody is told; the file is opened again."""
        self.do(self.world.unanswered_batch(asks))

    @rule(chosen=st.lists(_CHOICE, min_size=1, max_size=ASKS_MAX), changes=st.booleans())
    def retry(self, chosen: list[int], changes: bool) -> None:
        """People send again what they sent at any moment of any past, under its key; or something else under it."""
        self.do(self.world.retry(chosen, changes=changes))

    @rule(synchronous=_SYNCHRONOUS, returning=_RETURNING)
    def restart(self, synchronous: Synchronous, returning: list[int]) -> None:
        """Stop in good order, and start."""
        self.do(self.world.close())
        self.start(synchronous, returning)

    @rule(synchronous=_SYNCHRONOUS, returning=_RETURNING)
    def crash(self, synchronous: Synchronous, returning: list[int]) -> None:
        """Die, and start; the operating system lives, so that nothing is lost."""
        self.do(self.world.crash())
        self.start(synchronous, returning)

    @precondition(lambda self: self.world.file.openings[-1].synchronous == "normal")
    @rule(asks=TALK | CHANGES, where=_WHERE, synchronous=_SYNCHRONOUS, returning=_RETURNING)
    def lose_power(self, asks: list[Ask], where: int, synchronous: Synchronous, returning: list[int]) -> None:
        """Lose the newest commits, which were not fsynced, though people were told of them."""
        self.world.put_in_place(*self.abandon(asks, where))
        self.start(synchronous, [*SHOWN, *returning])

    @rule(asks=TALK | CHANGES, where=_WHERE, synchronous=_SYNCHRONOUS, returning=_RETURNING)
    def rewind(self, asks: list[Ask], where: int, synchronous: Synchronous, returning: list[int]) -> None:
        """Restore what was there a moment ago."""
        self.world.put_in_place(*self.abandon(asks, where))
        self.world.mark_restored("accept")
        self.start(synchronous, [*SHOWN, *returning])

    @rule()
    def back_up(self) -> None:
        """Copy the file as it is."""
        self.copies = [*self.copies, self.world.copy_file()][-COPIES_MAX:]

    @precondition(lambda self: self.copies)
    @rule(chosen=_CHOICE, replays=_REPLAYS, synchronous=_SYNCHRONOUS, returning=_RETURNING)
    def restore(self, chosen: int, replays: str, synchronous: Synchronous, returning: list[int]) -> None:
        """Put a copy in the file's place, marked as a restore; what came after it is an abandoned future."""
        self.do(self.world.crash())
        self.world.put_in_place(*self.copies[chosen % len(self.copies)])
        self.world.mark_restored(replays)
        self.start(synchronous, returning)

    @rule(where=_WHERE, user=_PEOPLE, epoch=_CHOICE, offset=st.just(0) | _SEQS, seen=_CHOICE)
    def present_any_position(self, where: int, user: str, epoch: int, offset: int, seen: int) -> None:
        """Present a made-up mix of epochs, offsets and rows that exist or existed."""
        epochs = ["_", "", *self.world.epochs]
        rows = [None, None, (0, ""), *self.world.rows]
        held = Held(epochs[-epoch % len(epochs)], offset, rows[-seen % len(rows)])
        self.do(self.world.present(where, user, held))

    @rule(where=_WHERE, user=_PEOPLE, keeps_seen=st.booleans(), size=_PAGE_SIZES, interrupted=st.booleans())
    def come(self, where: int, user: str, keeps_seen: bool, size: int, interrupted: bool) -> None:
        """Come for the first time, without anything."""
        reader = Reader(user, where, keeps_seen)
        self.do(self.world.reconnect(reader, size, interrupted=interrupted, looks=False))

    @rule(chosen=_CHOICE, size=_PAGE_SIZES, interrupted=st.booleans(), looks=st.booleans())
    def come_back(self, chosen: int, size: int, interrupted: bool, looks: bool) -> None:
        """Come back with what somebody had kept at any moment of any past."""
        if not self.world.readers:
            return
        reader = self.world.readers[-chosen % len(self.world.readers)].copy()
        self.do(self.world.reconnect(reader, size, interrupted=interrupted, looks=looks))

    @rule(chosen=_CHOICE, size=_PAGE_SIZES)
    def look(self, chosen: int, size: int) -> None:
        """Draw a page over what somebody had kept, and lose the connection before the events come."""
        if not self.world.readers:
            return
        reader = self.world.readers[-chosen % len(self.world.readers)].copy()
        self.do(self.world.look(reader, size))

    @rule(where=_WHERE, user=_PEOPLE, before=st.none() | _SEQS, size=_PAGE_SIZES)
    def page(self, where: int, user: str, before: int | None, size: int) -> None:
        """Read a page."""
        self.do(self.world.page(where, user, before, size))

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        """Seqs are dense, every key has one row, and nothing differs."""
        self.do(self.world.compare())

    @invariant()
    def listeners_were_told_of_everything_in_order(self) -> None:
        """What was pushed since the last look is exactly what was committed."""
        self.world.check_pushes()

    def abandon(self, asks: list[Ask], where: int) -> tuple[Path, PlainFile]:
        """Copy the file, and crash after more was written and shown; return the copy, where all that never was."""
        for keeps_seen in (True, False):
            self.come(where, OWNER, keeps_seen, 5, interrupted=False)
        copied = self.world.copy_file()
        self.do(self.world.batch(asks))
        for chosen in (2, 2):
            self.look(chosen, 3)
        for chosen in (4, 4):
            self.come_back(chosen, 5, interrupted=False, looks=False)
        self.do(self.world.crash())
        return copied

    def start(self, synchronous: Synchronous, returning: list[int]) -> None:
        """Open the file as it is now, and let some of the clients come back at once."""
        self.do(self.world.open(synchronous))
        for chosen in returning:
            self.come_back(chosen, 2, interrupted=False, looks=False)

    def teardown(self) -> None:
        """Leave nothing behind."""
        try:
            if self.world.file.openings:
                self.do(self.world.crash())
        finally:
            self.runner.close()
            shutil.rmtree(self.folder)

    def do(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the machine's own loop, in which the writer lives on between two steps."""
        self.runner.run(coroutine)
