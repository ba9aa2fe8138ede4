"""A server's language: cheap marks for the timed window, exact decoding for the check afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from benchmarks.job import Seat


class Ack(msgspec.Struct, frozen=True):
    """The server stored the message that this socket sent as its `number`th (from 1)."""

    number: int
    seq: int


class Delivery(msgspec.Struct, frozen=True):
    """A message of the conversation was pushed to this socket."""

    channel: str
    seq: int
    key: str
    content: str


class Refusal(msgspec.Struct, frozen=True):
    """The server answered with an error."""

    text: str


Reply = Ack | Delivery | Refusal


class Refused(Exception):
    """The server refused what opens a connection; the message is its answer."""


class Dialect(Protocol):
    """One server's language.

    `ack_mark` and `delivery_mark` occur once in the bytes of each ack and of each delivery, and nowhere else.
    `ping_line` is what the server sends to ask for a sign of life, and gets echoed; None where it has none.
    """

    ack_mark: bytes
    delivery_mark: bytes
    ping_line: bytes | None

    def path(self, seat: Seat) -> str:
        """Return the target of the upgrade request."""
        ...

    def greeting(self, seat: Seat) -> bytes:
        """Return the first text frame to send, empty for none."""
        ...

    def welcome(self, payload: bytes) -> int | None:
        """Return the conversation's last seq once `payload` says that the seat is taken; raises Refused."""
        ...

    def message(self, seat: Seat, number: int, key: str, content: str) -> bytes:
        """Return the text frame that sends the `number`th message of a seat."""
        ...

    def replies(self, payload: bytes) -> Iterator[Reply]:
        """Yield what the check looks at, decoded in full."""
        ...
