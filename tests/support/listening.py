"""Clients of a hub without sockets: what they are handed is kept as it was written, in order."""

from __future__ import annotations

from typing import Any

import msgspec

from chat.errors import Unsubscribe
from chat.hub import Client, Hub, Wish
from chat.models import AnyEvent, User
from chat.outbox import Outbox, Turn

ROOMY_BYTES = 1024 * 1024


class PlainWire:
    """Writes pushes as short texts, and counts how often it had to."""

    def __init__(self) -> None:
        self.encoded = 0

    def event(self, event: AnyEvent) -> bytes:
        self.encoded += 1
        return f"event {event.seq}".encode()

    def notice(self, channel: str, data: dict[str, Any]) -> bytes:
        self.encoded += 1
        return b"notice " + msgspec.json.encode(data)

    def joined(self, channel: str, client: Client) -> bytes:
        return f"joined {client.user.id}".encode()

    def left(self, channel: str, client: Client) -> bytes:
        return f"left {client.user.id}".encode()

    def unsubscribed(self, channel: str, why: Unsubscribe) -> bytes:
        return f"unsubscribed {why.code}".encode()


class Ear:
    """A transport that keeps what it is given; `client` is its connection in a hub."""

    def __init__(self, user: str, wire: PlainWire, bytes_max: int = ROOMY_BYTES) -> None:
        self.paused = False
        self.overflows = 0
        self._frames: list[bytes] = []
        outbox = Outbox(self, self._overflowed, Turn(), bytes_max=bytes_max, frame_bytes_max=1)
        self.client = Client(f"{user}'s", User(user), wire, outbox)

    @property
    def heard(self) -> list[str]:
        """Everything that was handed on until now."""
        self.client.outbox.flush()
        return [frame.decode() for frame in self._frames]

    def write_text(self, payload: bytes) -> None:
        self._frames.append(payload)

    def write_buffer_bytes(self) -> int:
        return 0

    def listen(self, hub: Hub, channel: str, last_seq: int = 0, wish: Wish | None = None) -> None:
        """Subscribe, live from `last_seq` on."""
        hub.go_live(hub.register(self.client, channel, wish or Wish()), last_seq)

    def _overflowed(self) -> None:
        self.overflows += 1
