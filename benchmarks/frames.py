"""WebSocket frames for a cheap client: text goes out masked, whole frames are found by their headers."""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Iterator

TEXT = 0x81  # FIN and opcode 1, RFC 6455 §5.2
CLOSE = 0x88
PING = 0x89
PONG = 0x8A
LENGTH_16 = 126
LENGTH_64 = 127
MASKED = 0x80
HEAD_END = b"\r\n\r\n"

# A key of zeros leaves the payload as it is. That spares the generator; the server unmasks as ever.
ZERO_KEY = bytes(4)


class BadHandshake(Exception):
    """The server did not switch to WebSocket; the message is its status line."""


def encode(payload: bytes, first: int = TEXT) -> bytes:
    """Return one masked client frame; `first` is its first byte. Payloads are below 64 KiB."""
    size = len(payload)
    if size < LENGTH_16:
        return bytes((first, MASKED | size)) + ZERO_KEY + payload
    return struct.pack("!BBH", first, MASKED | LENGTH_16, size) + ZERO_KEY + payload


def whole(data: bytes) -> tuple[int, bool]:
    """Return where the last complete frame of `data` ends, and whether all up to there are text."""
    at, size, plain = 0, len(data), True
    while size - at >= 2:
        start, end = _extent(data, at)
        if start == 0 or end > size:
            break
        plain = plain and data[at] == TEXT
        at = end
    return at, plain


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the first byte and the payload of each frame of `data`, which holds complete frames only."""
    at = 0
    while at < len(data):
        start, end = _extent(data, at)
        yield data[at], data[start:end]
        at = end


def _extent(data: bytes, at: int) -> tuple[int, int]:
    """Return start and end of the payload of the frame at `at`; (0, 0) while its header is incomplete."""
    length = data[at + 1]
    if length < LENGTH_16:
        return at + 2, at + 2 + length
    if length == LENGTH_16:
        if len(data) - at < 4:
            return 0, 0
        return at + 4, at + 4 + (data[at + 2] << 8 | data[at + 3])
    if len(data) - at < 10:
        return 0, 0
    return at + 10, at + 10 + int.from_bytes(data[at + 2 : at + 10], "big")


def handshake(host: str, port: int, path: str) -> bytes:
    """Return the upgrade request, RFC 6455 §4.1, that offers neither a subprotocol nor an extension."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    )
    return "\r\n".join(lines).encode() + HEAD_END


def check_handshake(head: bytes) -> None:
    """Raise BadHandshake unless `head` is the answer 101."""
    status = head.split(b"\r\n", 1)[0]
    if not status.startswith(b"HTTP/1.1 101"):
        raise BadHandshake(status.decode(errors="replace"))
