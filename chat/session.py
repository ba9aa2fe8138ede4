"""Session: one authenticated user. People, bots, REST and sockets all call `handle`, and nothing else decides."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from chat.broker import Ephemeral
from chat.commands import (
    AddMember,
    Command,
    CreateConversation,
    DeleteConversation,
    DeleteMessage,
    EditMessage,
    GetConversation,
    GetMessage,
    InConversation,
    ListConversations,
    ListMembers,
    MarkRead,
    ReadEvents,
    ReadHistory,
    ReadPresence,
    RemoveMember,
    SendMessage,
    ShowTyping,
    UpdateConversation,
    UpdateMember,
)
from chat.drafts import Drafter
from chat.errors import BadRequest, MethodNotFound, TooManyRequests, UnrecoverablePosition
from chat.hub import Client
from chat.ids import MAIN
from chat.models import Conversation, EventPage, Listing, Page, User
from chat.presence import Presence, present
from chat.replication import REPLICATED
from chat.timeline import Claim
from chat.writer import Settled

if TYPE_CHECKING:
    from chat.core import Core, OpenFile

Shown = TypeVar("Shown", Page, Conversation)

Written = (
    SendMessage
    | EditMessage
    | DeleteMessage
    | MarkRead
    | AddMember
    | UpdateMember
    | RemoveMember
    | UpdateConversation
    | DeleteConversation
    | CreateConversation
)
"""What a person may have written; what an operator brings back comes by no session."""


class Session:
    """What one user may do. `client` is his connection where he has one: a live subscription proves membership."""

    def __init__(self, core: Core, user: User, client: Client | None = None) -> None:
        self.user = user
        self._core = core
        self._client = client
        self._drafter = Drafter(core.settings)

    def handle(self, command: Command) -> Awaitable[Any]:
        """Start a command, at once; the answer comes later. Raises, or settles with, a Problem.

        What is written is queued before this returns, so that one user's commands are taken in his order; it comes
        back as a future, everything else as a coroutine.
        """
        self.admit()
        if isinstance(command, Written):
            file = self._written_in(command)
            answer = file.writer.submit(self._drafter.draft(self.user, command))
            return file.watermark.hold(answer) if _waits_for_replica(command) else answer
        match command:
            case ShowTyping():
                return self._show_typing(command)
            case ReadPresence():
                return self._presence(command)
            case _:
                return self._read(command)

    def start(self, command: Command, settled: Settled) -> Awaitable[Any] | None:
        """Start a command as `handle` does; None for what is written: `settled` is called with what became of it.

        It is called before anybody is told of what was committed, so that a reply comes before its push, and it costs a
        tenth less than a future. Only who waits for the replica gets one, and is answered after the others were told.
        """
        if not isinstance(command, Written) or _waits_for_replica(command):
            return self.handle(command)
        self.admit()
        writer = self._written_in(command).writer
        writer.put(self._drafter.draft(self.user, command), settled)
        return None

    def admit(self) -> None:
        """Count one request against the user's rate, and raise TooManyRequests over it.

        Commands count when they are handled; the doors count what could not become one.
        """
        wait_s = self._core.limiter.take(self.user.id)
        if wait_s:
            raise TooManyRequests(retry_after_s=wait_s)

    def _read(self, command: Command) -> Awaitable[Any]:
        settings = self._core.settings
        match command:
            case ReadHistory():
                limit = _cut(command.limit, settings.page_default, settings.page_max)
                _check_one_anchor(command)
                file = self._core.file_of(command.conversation_id)
                return _marked(file, command, file.store.page(self.user.id, command, limit))
            case ReadEvents():
                return self._events(command)
            case GetMessage():
                return self._core.file_of(command.conversation_id).store.message(self.user.id, command)
            case GetConversation():
                file = self._core.file_of(command.conversation_id)
                return _marked(file, command, file.store.conversation(self.user.id, command))
            case ListConversations():
                limit = _cut(command.limit, settings.listing_default, settings.listing_max)
                file = self._core.files[MAIN]
                return _all_marked(file, file.store.conversations(self.user.id, command, limit))
            case ListMembers():
                limit = _cut(command.limit, settings.listing_default, settings.listing_max)
                return self._core.file_of(command.conversation_id).store.members(self.user.id, command, limit)
        raise MethodNotFound

    def _written_in(self, command: Written) -> OpenFile:
        if isinstance(command, CreateConversation):
            return self._core.files[MAIN]
        return self._core.file_of(command.conversation_id)

    async def _events(self, command: ReadEvents) -> EventPage:
        settings = self._core.settings
        limit = _cut(command.limit, settings.page_default, settings.recover_events_max)
        claim = Claim(command.epoch, command.offset, command.seen)
        store = self._core.file_of(command.conversation_id).store
        found = await store.recover(
            self.user.id, command.conversation_id, claim, limit, settings.recover_bytes_max
        )
        if not found.recovered:
            raise UnrecoverablePosition
        following = found.events[-1].seq if found.more else None
        return EventPage(items=found.events, next=following, epoch=found.epoch, offset=found.top.seq)

    async def _show_typing(self, command: ShowTyping) -> None:
        await self._require_membership(command.conversation_id)
        if self._core.typing.is_news(self.user.id, command.conversation_id):
            self._core.broker.publish_ephemeral(Ephemeral(command.conversation_id, "typing", self.user.id))

    async def _presence(self, command: ReadPresence) -> Presence:
        await self._require_membership(command.conversation_id)
        return present(self._core.hub, command.conversation_id)

    async def _require_membership(self, conversation_id: str) -> None:
        if self._client is not None:
            subscription = self._client.subscriptions.get(conversation_id)
            if subscription is not None and subscription.live:
                return
        await self._core.file_of(conversation_id).store.recover(self.user.id, conversation_id, None, 0, 0)


def _waits_for_replica(command: Written) -> bool:
    return isinstance(command, SendMessage) and command.durability == REPLICATED


async def _marked(file: OpenFile, command: InConversation, reading: Awaitable[Shown]) -> Shown:
    """Add the watermark, where it is known, to what was read."""
    shown = await reading
    seq = file.watermark.seq_of(command.conversation_id, shown.epoch)
    return shown if seq is None else msgspec.structs.replace(shown, replicated_seq=seq)


async def _all_marked(file: OpenFile, reading: Awaitable[Listing]) -> Listing:
    """Add the watermark of each conversation, where it is known."""
    found = await reading
    items = []
    for shown in found.items:
        seq = file.watermark.seq_of(shown.conversation_id, shown.epoch)
        items.append(shown if seq is None else msgspec.structs.replace(shown, replicated_seq=seq))
    return msgspec.structs.replace(found, items=items)


def _cut(limit: int | None, default: int, maximum: int) -> int:
    return min(default if limit is None else limit, maximum)


def _check_one_anchor(query: ReadHistory) -> None:
    if sum(anchor is not None for anchor in (query.before, query.after, query.around)) > 1:
        raise BadRequest("name one of before, after and around")
