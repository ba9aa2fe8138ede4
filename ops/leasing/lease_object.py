"""LeaseObject: the small object on the replica that a lease stands in, read and replaced with conditions."""

from __future__ import annotations

from typing import Protocol

import msgspec

NAME = "palaver.lease"


class ObjectFailed(Exception):
    """The replica did not do what the lease needs; the message says why, without credentials."""


class Stored(msgspec.Struct, frozen=True):
    """What stands in the object, and the tag of just this state."""

    body: bytes
    tag: str


class LeaseObject(Protocol):
    """One object. Every verb raises ObjectFailed where the replica does not answer, or refuses.

    A tag is empty where the store gives none that it would compare; `replace` is without condition then.
    """

    async def read(self) -> Stored | None:
        """Read it; None where there is none."""

    async def create(self, body: bytes) -> str | None:
        """Write it where there is none, and return its tag; None where there is one."""

    async def replace(self, body: bytes, tag: str) -> str | None:
        """Write it where its tag still is `tag`, and return the new tag; None where it is not."""

    async def overwrite(self, body: bytes) -> str:
        """Write it whatever stands there, and return its tag."""
