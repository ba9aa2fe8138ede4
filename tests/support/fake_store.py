"""A store in memory that waits and fails when it is told to, for tests of what stands around a store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from chat.commands import SendMessage
from chat.errors import Problem, Unknown
from chat.models import Message, RowId
from chat.store import Committed, Draft, Recovered, Sent, StoreFailed
from chat.timeline import START, Claim, Generation, Timeline

EPOCH = "fake"
Json = dict[str, Any]


class FakeStore:
    """One conversation of everybody. `batches` is what was committed; `log` what happened, in order.

    While `open_gate` is clear a commit waits, while `read_gate` is clear a read does. Whatever stands in `failures` is
    raised by the next commits, in `reopen_failures` by the next tries to reopen; `refusals` refuse by the key.
    """

    def __init__(self) -> None:
        self.batches: list[list[Draft]] = []
        self.log: list[str] = []
        self.events: list[Message] = []
        self.people: set[str] | None = None
        self.failures: list[Exception] = []
        self.reopen_failures: list[Exception] = []
        self.refusals: dict[str, Problem] = {}
        self.open_gate, self.read_gate = asyncio.Event(), asyncio.Event()
        self.open_gate.set()
        self.read_gate.set()
        self.reading = asyncio.Event()
        self.after_read: Callable[[], None] = lambda: None

    @property
    def timeline(self) -> Timeline:
        return Timeline([Generation(number=1, epoch=EPOCH, kind=START, since_ms=1, cause="test")])

    async def commit(self, drafts: Sequence[Draft]) -> list[Committed | Problem]:
        self.log.append(f"begin {len(drafts)}")
        await self.open_gate.wait()
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(list(drafts))
        outcomes = [self._write(draft) for draft in drafts]
        self.log.append(f"commit {len(drafts)}")
        return outcomes

    async def reopen(self) -> None:
        self.log.append("reopen")
        if self.reopen_failures:
            raise self.reopen_failures.pop(0)

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
        """Read what is there when the gate opens."""
        self.reading.set()
        await self.read_gate.wait()
        if self.people is not None and user not in self.people:
            raise Unknown
        offset = 0 if claim is None else claim.offset
        missed = [] if claim is None else list(self.events[offset:])
        found = Recovered(
            epoch=EPOCH,
            top=RowId(len(self.events), EPOCH),
            first_seq=1,
            role="member",
            read_seq=0,
            recovered=claim is not None and offset <= len(self.events),
            events=list(missed[:events_max]),
            more=len(missed) > events_max,
            beyond_top=offset > len(self.events),
        )
        self.after_read()
        return found

    async def page(self, *arguments: Any) -> Any:
        raise Unknown

    message = conversation = conversations = members = page

    def say(self, conversation_id: str, user: str = "alice") -> Message:
        """Store a message as if it had been committed, and return it."""
        seq = len(self.events) + 1
        message = Message(
            conversation_id=conversation_id,
            seq=seq,
            epoch=EPOCH,
            sender=user,
            client_message_id=str(seq),
            role="user",
            content_type="text",
            content=f"message {seq}",
            created_at=1,
            changed_seq=seq,
        )
        self.events.append(message)
        return message

    def _write(self, draft: Draft) -> Committed | Problem:
        assert isinstance(draft.command, SendMessage)
        refusal = self.refusals.get(draft.command.client_message_id)
        if refusal is not None:
            return refusal
        event = self.say(draft.command.conversation_id, draft.author)
        answer = Sent(
            conversation_id=event.conversation_id,
            seq=event.seq,
            epoch=EPOCH,
            version=event.version,
            created_at=1,
            duplicate=False,
        )
        return Committed(answer, (event,))


def broken() -> StoreFailed:
    """Make the failure of a full disk."""
    return StoreFailed("database or disk is full")
