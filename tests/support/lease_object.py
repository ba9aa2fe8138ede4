"""A lease object in memory, whose store can be told to misbehave; and holders on machines that there are not."""

from __future__ import annotations

import asyncio
import os

from ops.leasing.holder import Holder
from ops.leasing.lease_object import ObjectFailed, Stored


class Replica:
    """What several machines share. `conditional` False ignores every condition, as some stores do."""

    def __init__(self, *, conditional: bool = True) -> None:
        self.conditional = conditional
        self.body: bytes | None = None
        self.failure = ""
        self.frozen = False
        self.answer_lost = False
        self.writes = 0

    async def read(self) -> Stored | None:
        await self._answer()
        return None if self.body is None else Stored(self.body, self._tag())

    async def create(self, body: bytes) -> str | None:
        await self._answer()
        return None if self.conditional and self.body is not None else await self._write(body)

    async def replace(self, body: bytes, tag: str) -> str | None:
        await self._answer()
        return None if self.conditional and tag != self._tag() else await self._write(body)

    async def overwrite(self, body: bytes) -> str:
        await self._answer()
        return await self._write(body)

    async def _answer(self) -> None:
        if self.frozen:
            await asyncio.Event().wait()
        if self.failure:
            raise ObjectFailed(self.failure)

    async def _write(self, body: bytes) -> str:
        self.body = body
        self.writes += 1
        if self.answer_lost:
            self.answer_lost = False
            raise ObjectFailed("the answer was lost")
        return self._tag()

    def _tag(self) -> str:
        return f"tag {self.writes}"


def holder(host: str, **fields: object) -> Holder:
    """Describe a process of another machine."""
    known = {"id": f"id of {host}", "host": host, "pid": os.getpid(), "machine": f"boot of {host}"}
    return Holder(**(known | fields))  # type: ignore[arg-type]
