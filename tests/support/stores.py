"""A real SQLiteStore for tests, with the drafts that tests write most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import storage.engine  # noqa: F401, first: puts the right SQLite in place

# isort: split
from chat.commands import CreateConversation, DeleteMessage, EditMessage, SendMessage, WriteCommand
from chat.drafts import Drafter
from chat.errors import Problem
from chat.models import RowId, User
from chat.observer import NullObserver
from chat.settings import Settings
from chat.store import Changed, Committed, Created, Recovered, Sent
from chat.timeline import Claim
from storage.sqlite import SQLiteStore

EVENTS_MAX = 10_000
BYTES_MAX = 10_000_000


class OpenStore:
    """Opens a store, and writes single drafts as named users; a refusal is raised."""

    def __init__(self, path: Path, settings: Settings | None = None) -> None:
        self.path = path
        self.settings = settings or Settings()
        self.store = SQLiteStore("main", path, self.settings, NullObserver())
        self.drafter = Drafter(self.settings)

    async def __aenter__(self) -> OpenStore:
        await self.store.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.store.close()

    @property
    def epoch(self) -> str:
        """The current epoch."""
        return self.store.timeline.epoch

    async def restart(self) -> None:
        """Close and open again, as a restart of the server does."""
        await self.store.close()
        self.store = SQLiteStore("main", self.path, self.settings, NullObserver())
        await self.store.open()

    async def outcome(self, user: str, command: WriteCommand) -> Committed | Problem:
        """Write one draft in a batch of its own."""
        return (await self.store.commit([self.drafter.draft(User(user), command)]))[0]

    async def write(self, user: str, command: WriteCommand) -> Committed:
        """Write one draft; raises the Problem that refused it."""
        outcome = await self.outcome(user, command)
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    async def create(self, owner: str, *members: str, **fields: Any) -> str:
        """Open a conversation and return its id."""
        answer = (await self.write(owner, CreateConversation(members=list(members), **fields))).answer
        assert isinstance(answer, Created)
        return answer.conversation.conversation_id

    async def send(
        self, user: str, conversation_id: str, key: str, content: str = "hi", **fields: Any
    ) -> Sent:
        """Send a message."""
        command = SendMessage(
            conversation_id=conversation_id, client_message_id=key, content=content, **fields
        )
        answer = (await self.write(user, command)).answer
        assert isinstance(answer, Sent)
        return answer

    async def edit(self, user: str, conversation_id: str, seq: int, content: str, **fields: Any) -> Changed:
        """Edit a message."""
        command = EditMessage(conversation_id=conversation_id, seq=seq, content=content, **fields)
        answer = (await self.write(user, command)).answer
        assert isinstance(answer, Changed)
        return answer

    async def delete(self, user: str, conversation_id: str, seq: int, **fields: Any) -> Changed:
        """Delete a message."""
        command = DeleteMessage(conversation_id=conversation_id, seq=seq, **fields)
        answer = (await self.write(user, command)).answer
        assert isinstance(answer, Changed)
        return answer

    async def recover(
        self, user: str, conversation_id: str, epoch: str, offset: int, seen: RowId | None = None
    ) -> Recovered:
        """Recover from a position."""
        claim = Claim(epoch, offset, seen)
        return await self.store.recover(user, conversation_id, claim, EVENTS_MAX, BYTES_MAX)
