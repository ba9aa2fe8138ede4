"""The head of a text frame from a server: RFC 6455 §5.2, written without the work of a general frame."""

from __future__ import annotations

FIN_TEXT = 0x81  # the whole message in one frame, opcode 1; a server does not mask
LENGTH_7_MAX = 125
LENGTH_16 = 126
LENGTH_16_MAX = 0xFFFF
LENGTH_64 = 127


def text_head(length_bytes: int) -> bytes:
    """Return the bytes that precede a payload of that length."""
    if length_bytes <= LENGTH_7_MAX:
        return bytes((FIN_TEXT, length_bytes))
    if length_bytes <= LENGTH_16_MAX:
        return bytes((FIN_TEXT, LENGTH_16)) + length_bytes.to_bytes(2, "big")
    return bytes((FIN_TEXT, LENGTH_64)) + length_bytes.to_bytes(8, "big")
