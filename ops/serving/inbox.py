"""Inbox: what one connection's application has not taken yet; an asyncio.Queue for one reader, and cheaper."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """A queue with one reader, in one loop. It has no bound of its own: who puts must look at `qsize`."""

    __slots__ = ("_items", "_loop", "_reader")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._items: deque[Item] = deque()
        self._reader: asyncio.Future[None] | None = None

    def put_nowait(self, item: Item) -> None:
        """Add an item, and wake the reader."""
        self._items.append(item)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Item:
        """Take the oldest item, when there is one."""
        while not self._items:
            self._reader = self._loop.create_future()
            await self._reader
        return self._items.popleft()

    def awaited(self) -> bool:
        """Tell whether the reader waits: he has dealt with everything before."""
        return self._reader is not None and not self._reader.done()

    def empty(self) -> bool:
        """Tell whether there is nothing to take."""
        return not self._items

    def qsize(self) -> int:
        """Return how many items wait."""
        return len(self._items)
