"""HTTP byte by byte: requests that no client library would send, and all that comes back."""

from __future__ import annotations

import asyncio

from tests.support.ports import LOOPBACK

TIMEOUT_S = 30.0
HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
"""What makes a request the beginning of a WebSocket."""


class RawAnswer:
    """An answer as it came: `head` and `body` as bytes, the status as a number."""

    def __init__(self, raw: bytes) -> None:
        self.head, _, self.body = raw.partition(b"\r\n\r\n")
        self.status = int(self.head.split(b" ", 2)[1])


async def ask(port: int, method: str, target: str, *headers: str) -> RawAnswer:
    """Send a request for `target` just as it is written, and read until the server hangs up."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    lines = [f"{method} {target} HTTP/1.1", f"Host: {LOOPBACK}:{port}", *headers]
    if not any(header.lower().startswith("connection:") for header in headers):
        lines.append("Connection: close")
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return RawAnswer(await reader.read())
    finally:
        writer.close()
