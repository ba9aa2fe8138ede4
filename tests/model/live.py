"""The live half of a process: writer, broker and hub on an open store, and one listener per conversation who folds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from chat.broker import MemoryBroker
from chat.errors import INSUFFICIENT_STATE, Problem, Unsubscribe
from chat.hub import Client, Hub, Wish
from chat.models import User
from chat.observer import NullObserver
from chat.settings import Settings
from chat.store import Answer, Committed, Draft, StoreFailed
from chat.writer import Writer
from storage.sqlite import SQLiteStore
from tests.model.asks import OWNER


class DoubtfulStore:
    """The real store, whose next commit can succeed without saying so."""

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store
        self.loses_answer = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, drafts: Sequence[Draft]) -> list[Committed | Problem]:
        outcomes = await self._store.commit(drafts)
        if self.loses_answer:
            self.loses_answer = False
            raise StoreFailed("the answer was lost")
        return outcomes


class Plainly:
    """A wire that hands events on as they are."""

    def event(self, event: Any) -> Any:
        return event

    def unsubscribed(self, channel: str, why: Unsubscribe) -> Any:
        return why

    def notice(self, channel: str, data: Any) -> Any:
        return data

    joined = left = notice


class Pile(list[Any]):
    """An outbox that keeps everything."""

    push = list.append


class Live:
    """What runs between an opening and its end."""

    def __init__(self, store: SQLiteStore, settings: Settings) -> None:
        self.store = DoubtfulStore(store)
        observer, broker = NullObserver(), MemoryBroker()
        self.hub = Hub(settings, observer)
        broker.listen(self.hub)
        self.writer = Writer(self.store, broker, observer, settings, self._reopened)
        self._mended = asyncio.Event()
        self.piles: dict[str, Pile] = {}
        self._task = asyncio.create_task(self.writer.run())

    def listen(self, conversation_id: str, top: int) -> None:
        """Begin to listen as the owner, from the top on."""
        pile = self.piles[conversation_id] = Pile()
        client = Client(conversation_id, User(OWNER), Plainly(), pile)  # type: ignore[arg-type]
        self.hub.go_live(self.hub.register(client, conversation_id, Wish()), top)

    async def write(self, drafts: Sequence[Draft]) -> list[Answer | BaseException]:
        """Queue all drafts at once, which makes them one batch, and wait until they are answered and published."""
        futures = [self.writer.submit(draft) for draft in drafts]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        await asyncio.sleep(0)
        return list(outcomes)

    async def mended(self) -> None:
        """Wait until writing is on again."""
        await self._mended.wait()
        self._mended.clear()

    async def stop(self) -> None:
        """Stop the writer in good order."""
        self.writer.close()
        await self._task

    async def drop(self) -> None:
        """Stop the writer as a crash does."""
        self._task.cancel()
        await asyncio.wait([self._task])

    def _reopened(self) -> None:
        self.hub.end_all(lambda channel: True, INSUFFICIENT_STATE)
        self._mended.set()
