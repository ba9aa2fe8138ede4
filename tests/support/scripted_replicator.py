"""A replicator that answers as a test tells it to, and notes what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chat.replication import Replica


class ScriptedReplicator:
    """While `gate` is clear a sync waits. `answers` are given in turn, and True when they are used up.

    `under_way_max` is how many syncs were ever under way at once.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.answers: list[bool | Exception] = []
        self.begun = 0
        self.under_way_max = 0
        self._under_way = 0

    def replicas(self) -> Sequence[Replica]:
        return ()

    async def sync(self, persona: str) -> bool:
        self.begun += 1
        self._under_way += 1
        self.under_way_max = max(self.under_way_max, self._under_way)
        try:
            await self.gate.wait()
            answer = self.answers.pop(0) if self.answers else True
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self._under_way -= 1
