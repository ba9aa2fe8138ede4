"""What the pure part wants done, in order: commands to send, records to keep, changes to draw."""

from __future__ import annotations

from enum import Enum

import msgspec

from ops.tail.records import Draft, Record
from ops.tail.wire import Command, Event, Name


class Send(msgspec.Struct, frozen=True):
    """Send this command."""

    command: Command


class Keep(msgspec.Struct, frozen=True):
    """Append these records to the state; `durable` ones are on disk before anything that follows is done."""

    records: tuple[Record, ...]
    durable: bool = True


class Drop(msgspec.Struct, frozen=True):
    """Take away all that was drawn: what follows is the conversation anew, up to `epoch` and `offset`."""

    epoch: str
    offset: int


class Kind(Enum):
    """How a change appears."""

    ADDED = "added"
    RECALLED = "recalled"
    CHANGED = "changed"
    PASSING = "passing"


class Draw(msgspec.Struct, frozen=True):
    """Show this event: a new line, one from before the bookmark, a change of a line, or what passes by."""

    kind: Kind
    event: Event


class Reject(msgspec.Struct, frozen=True):
    """Move this draft out of the outbox to what was refused for good."""

    draft: Draft
    code: int
    reason: str


class Pause(msgspec.Struct, frozen=True):
    """Send nothing for a moment, then go on with the outbox."""

    reason: str


class Introduce(msgspec.Struct, frozen=True):
    """Say what is followed."""

    name: Name


Effect = Send | Keep | Drop | Draw | Reject | Pause | Introduce
