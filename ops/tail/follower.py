"""The running command: keeps a connection, carries out what the session wants, takes what is typed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import msgspec

from ops.tail.backoff import Backoff
from ops.tail.connection import Connection, open_connection, unreadable
from ops.tail.effects import Effect, Introduce, Keep, Pause, Send
from ops.tail.ending import Ending, ExitCode, Lost
from ops.tail.outbox import Outbox
from ops.tail.output import Output
from ops.tail.records import Settled
from ops.tail.session import Session
from ops.tail.state import State
from ops.tail.timeline import Timeline
from ops.tail.token import Token
from ops.tail.wire import Name

REFRESH_S = 1.0


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What to follow, and when to stop by oneself.

    `page_size` is as in Timeline; `exit_after` counts messages, 0 for never. A person `at_terminal` is told
    what is followed, and shown at each start what stood there before.
    """

    url: str
    conversation: str
    page_size: int
    at_terminal: bool = False
    exit_after: int = 0
    exit_when_sent: bool = False


class Talk(msgspec.Struct, frozen=True, eq=False):
    """A connection and what is talked on it."""

    connection: Connection
    session: Session


class Follower:
    """Follows one conversation until an Ending is raised: by the server, by the wish, or by the disk."""

    def __init__(self, wish: Wish, token: Token, state: State, output: Output) -> None:
        self._wish = wish
        self._token = token
        self._state = state
        self._output = output
        self._timeline = Timeline(state.bookmark, wish.page_size, recall=wish.at_terminal)
        self._outbox = Outbox(state.drafts)
        self._coming_back = Backoff()
        self._sending_again = Backoff()
        self._tasks = asyncio.TaskGroup()
        self._talk: Talk | None = None
        self._is_cut_off = False
        self._is_introduced = not wish.at_terminal
        self._all_typed = False
        self._moved = asyncio.Event()

    async def run(self, typed: AsyncIterator[str]) -> None:
        """Follow the conversation and send what is typed; raises the Ending."""
        try:
            async with self._tasks:
                self._tasks.create_task(self._stay_connected())
                self._tasks.create_task(self._take_typed(typed))
                self._tasks.create_task(self._keep_fresh())
        except BaseExceptionGroup as group:
            endings, others = group.split(Ending)
            if endings is None or others is not None:
                raise
            raise endings.exceptions[0] from None

    async def _keep_fresh(self) -> None:
        for draft in self._state.drafts:
            self._output.took(draft)
        while True:
            self._output.refresh()
            await asyncio.sleep(REFRESH_S)

    async def _stay_connected(self) -> None:
        while True:
            try:
                await self._converse()
            except Lost as lost:
                await self._wait_out(lost)
            except Ending as ending:
                if ending.code is not ExitCode.TOKEN or not self._token.renew():
                    raise

    async def _wait_out(self, lost: Lost) -> None:
        pause_s = self._coming_back.next_s()
        if not self._is_cut_off:
            self._is_cut_off = True
            self._output.say(f"not connected: {lost}")
        self._output.say(f"trying again in {pause_s:.1f} s: {lost}", passing=True)
        await asyncio.sleep(pause_s)

    async def _converse(self) -> None:
        async with open_connection(self._wish.url) as connection:
            session = Session(
                self._wish.conversation,
                self._timeline,
                self._outbox,
                introduces=not self._is_introduced,
            )
            self._talk = talk = Talk(connection, session)
            try:
                await self._perform(session.open(self._token.text), talk)
                while True:
                    await self._perform(session.receive(await connection.receive()), talk)
                    self._look_around()
            finally:
                self._talk = None
                self._timeline.part()

    def _look_around(self) -> None:
        """Take note of what the last frame changed."""
        self._moved.set()
        if self._timeline.is_live:
            self._coming_back.reset()
            if self._is_cut_off:
                self._is_cut_off = False
                self._output.say("connected again")
        self._check_wish()

    def _check_wish(self) -> None:
        wish = self._wish
        if wish.exit_after and self._output.messages_drawn >= wish.exit_after:
            raise Ending(ExitCode.DONE)
        if wish.exit_when_sent and self._all_typed and not len(self._outbox) and self._timeline.is_live:
            raise self._all_sent()

    def _all_sent(self) -> Ending:
        refused = self._output.rejected_count
        return Ending(ExitCode.REJECTED, f"Lines refused: {refused}.") if refused else Ending(ExitCode.DONE)

    async def _take_typed(self, typed: AsyncIterator[str]) -> None:
        async for line in typed:
            while not self._outbox.has_room:
                self._moved.clear()
                await self._moved.wait()
            draft = self._outbox.add(line)
            self._state.keep((draft,), durable=True)
            self._output.took(draft)
            if self._talk is not None:
                await self._attempt(self._talk.session.flush(), self._talk)
            # A long file must not keep the connection from being read.
            await asyncio.sleep(0)
        self._all_typed = True
        self._check_wish()

    async def _send_again(self, talk: Talk, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        if self._talk is talk:
            await self._attempt(talk.session.resume(), talk)

    async def _attempt(self, effects: Iterator[Effect], talk: Talk) -> None:
        try:
            await self._perform(effects, talk)
        except Lost:
            # Whoever reads this connection meets the same end, and comes back for the draft too.
            return

    async def _perform(self, effects: Iterator[Effect], talk: Talk) -> None:
        try:
            for effect in effects:
                await self._carry_out(effect, talk)
        except msgspec.DecodeError as error:
            raise unreadable(error) from error

    async def _carry_out(self, effect: Effect, talk: Talk) -> None:
        match effect:
            case Send():
                await talk.connection.send(effect.command)
            case Keep():
                self._state.keep(effect.records, durable=effect.durable)
                self._settle(effect)
            case Pause():
                pause_s = self._sending_again.next_s()
                self._output.say(
                    f"the server takes no lines now ({effect.reason}); trying again in {pause_s:.1f} s",
                    passing=True,
                )
                self._tasks.create_task(self._send_again(talk, pause_s))
            case Introduce():
                self._introduce(effect.name)
            case _:
                self._output.show(effect)

    def _settle(self, keep: Keep) -> None:
        for record in keep.records:
            if isinstance(record, Settled):
                self._sending_again.reset()
                self._output.let_go(record.client_message_id)

    def _introduce(self, name: Name) -> None:
        self._is_introduced = True
        self._is_cut_off = False
        title = name.title or self._wish.conversation
        self._output.say(f"{title} ({name.kind}) — {self._token.user} — connected")
