"""The naive application's JSON: one object a frame, the conversation and the user in the path."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from benchmarks.dialects.dialect import Ack, Delivery, Refusal, Refused, Reply
from benchmarks.job import Seat


class _Ack(msgspec.Struct):
    id: int
    seq: int


class _Message(msgspec.Struct):
    conversation: str
    seq: int
    client_message_id: str
    content: str


class _Reply(msgspec.Struct):
    welcome: int | None = None
    ack: _Ack | None = None
    message: _Message | None = None


class Naive:
    """Takes a seat by the upgrade alone; the server says `welcome` when it is taken."""

    ack_mark = b'{"ack":'
    delivery_mark = b'{"message":'
    ping_line: bytes | None = None

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Reply).decode

    def path(self, seat: Seat) -> str:
        """Return the conversation's path; the application believes the user's name."""
        return f"/ws/{quote(seat.channel)}?user={quote(seat.user)}"

    def greeting(self, seat: Seat) -> bytes:
        """Return nothing: the upgrade said it all."""
        return b""

    def welcome(self, payload: bytes) -> int | None:
        """Return the last seq in the welcome; raises Refused for anything else."""
        reply = self._decode(payload)
        if reply.welcome is None:
            raise Refused(payload.decode(errors="replace"))
        return reply.welcome

    def message(self, seat: Seat, number: int, key: str, content: str) -> bytes:
        """Return the object that sends a message."""
        return f'{{"id":{number},"client_message_id":"{key}","content":"{content}"}}'.encode()

    def replies(self, payload: bytes) -> Iterator[Reply]:
        """Yield the one reply of a frame."""
        reply = self._decode(payload)
        if reply.ack is not None:
            yield Ack(reply.ack.id, reply.ack.seq)
        elif reply.message is not None:
            message = reply.message
            yield Delivery(message.conversation, message.seq, message.client_message_id, message.content)
        else:
            yield Refusal(payload.decode(errors="replace"))
