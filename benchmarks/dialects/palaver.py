"""Palaver's own wire: the Centrifuge protocol in JSON, several replies to a frame, one a line."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from benchmarks.dialects.dialect import Ack, Delivery, Refusal, Refused, Reply
from benchmarks.job import Seat

CONNECT_ID = 1
SUBSCRIBE_ID = 2
WISHED = b'"data":{"durability":"replicated",'


class _Error(msgspec.Struct):
    code: int
    message: str = ""


class _Disconnect(msgspec.Struct):
    code: int
    reason: str = ""


class _Data(msgspec.Struct):
    type: str = ""
    durability: str = ""
    seq: int = 0
    client_message_id: str = ""
    content: str = ""


class _Publication(msgspec.Struct):
    data: _Data
    offset: int = 0


class _Push(msgspec.Struct):
    channel: str = ""
    pub: _Publication | None = None
    disconnect: _Disconnect | None = None


class _Rpc(msgspec.Struct):
    data: _Data


class _Subscribed(msgspec.Struct):
    offset: int = 0


class _Reply(msgspec.Struct):
    id: int = 0
    error: _Error | None = None
    push: _Push | None = None
    rpc: _Rpc | None = None
    subscribe: _Subscribed | None = None


class Palaver:
    """Opens a seat with connect and subscribe in one frame, and sends by rpc."""

    ack_mark = b'"rpc":{'
    delivery_mark = b'"pub":{'
    ping_line: bytes | None = b"{}"

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Reply).decode

    def path(self, seat: Seat) -> str:
        """Return the socket's path; who connects is said by the token in the connect command."""
        return "/connection/websocket"

    def greeting(self, seat: Seat) -> bytes:
        """Return connect and subscribe, as the protocol's clients send them."""
        connect = {"id": CONNECT_ID, "connect": {"token": seat.token, "name": "benchmark"}}
        subscribe = {"id": SUBSCRIBE_ID, "subscribe": {"channel": seat.channel}}
        return msgspec.json.encode(connect) + b"\n" + msgspec.json.encode(subscribe)

    def welcome(self, payload: bytes) -> int | None:
        """Return the offset in the subscribe's reply."""
        for line in payload.split(b"\n"):
            reply = self._decode(line)
            if reply.error is not None or (reply.push is not None and reply.push.disconnect is not None):
                raise Refused(line.decode(errors="replace"))
            if reply.id == SUBSCRIBE_ID:
                return reply.subscribe.offset if reply.subscribe is not None else 0
        return None

    def message(self, seat: Seat, number: int, key: str, content: str) -> bytes:
        """Return the rpc `send`; its id follows those of the greeting."""
        return (
            f'{{"id":{SUBSCRIBE_ID + number},"rpc":{{"method":"send","data":{{'
            f'"conversation_id":"{seat.channel}",'
            f'"client_message_id":"{key}","content":"{content}"}}}}}}'
        ).encode()

    def replies(self, payload: bytes) -> Iterator[Reply]:
        """Yield acks, messages and errors; pings and other pushes are nothing to count."""
        for line in payload.split(b"\n"):
            reply = self._decode(line)
            if reply.error is not None:
                yield Refusal(line.decode(errors="replace"))
            elif reply.rpc is not None:
                yield Ack(reply.id - SUBSCRIBE_ID, reply.rpc.data.seq)
            elif reply.push is not None and reply.push.pub is not None:
                yield _delivery(reply.push.channel, reply.push.pub)


def _delivery(channel: str, publication: _Publication) -> Reply:
    data = publication.data
    if data.type != "message" or publication.offset != data.seq:
        return Refusal(f"not a message at its own offset: {publication}")
    return Delivery(channel, data.seq, data.client_message_id, data.content)


class PalaverReplicated(Palaver):
    """The same, but every message asks to be acked when it is on the replica; an ack of less is a refusal."""

    def message(self, seat: Seat, number: int, key: str, content: str) -> bytes:
        """Return the rpc `send` that waits for the replica."""
        return super().message(seat, number, key, content).replace(b'"data":{', WISHED, 1)

    def replies(self, payload: bytes) -> Iterator[Reply]:
        """Yield what the other yields."""
        for line in payload.split(b"\n"):
            rpc = self._decode(line).rpc
            if rpc is not None and rpc.data.durability != "replicated":
                yield Refusal(line.decode(errors="replace"))
            else:
                yield from super().replies(line)
