"""Frames of RFC 6455 §5.2 without the work of a general parser.

The head of a text as a server writes it, a text as a client sent it, and where any frame ends.
"""

from __future__ import annotations

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

FIN_TEXT = 0x81  # the whole message in one frame, opcode 1
MASKED = 0x80  # a client masks, a server does not
LENGTH_7_MAX = 125
LENGTH_16 = 126
LENGTH_16_MAX = 0xFFFF
LENGTH_64 = 127
HEAD_BYTES_MIN = 2
MASK_BYTES = 4


def text_head(length_bytes: int) -> bytes:
    """Return the bytes that precede a payload of that length."""
    if length_bytes <= LENGTH_7_MAX:
        return bytes((FIN_TEXT, length_bytes))
    if length_bytes <= LENGTH_16_MAX:
        return bytes((FIN_TEXT, LENGTH_16)) + length_bytes.to_bytes(2, "big")
    return bytes((FIN_TEXT, LENGTH_64)) + length_bytes.to_bytes(8, "big")


def read_text(data: bytes, start: int, bytes_max: int) -> tuple[int, bytes] | None:
    """Read the frame at `start`: where it ends, and its payload.

    None unless it is whole, masked, a message of its own, a text, and of at most `bytes_max` bytes (and 64 KiB).
    """
    if len(data) - start < HEAD_BYTES_MIN or data[start] != FIN_TEXT or data[start + 1] < MASKED:
        return None
    length, head = data[start + 1] - MASKED, start + HEAD_BYTES_MIN
    if length == LENGTH_16:
        length, head = int.from_bytes(data[head : head + 2], "big"), head + 2
    elif length == LENGTH_64:
        return None
    end = head + MASK_BYTES + length
    if end > len(data) or length > bytes_max:
        return None
    return end, apply_mask(data[head + MASK_BYTES : end], data[head : head + MASK_BYTES])


def frame_end(data: bytes, start: int) -> int | None:
    """Return where the frame at `start` ends, perhaps beyond `data`; None where its head is not whole."""
    head = start + HEAD_BYTES_MIN
    if len(data) < head:
        return None
    length = data[start + 1] & ~MASKED
    more = {LENGTH_16: 2, LENGTH_64: 8}.get(length, 0)
    if len(data) < head + more:
        return None
    if more:
        length = int.from_bytes(data[head : head + more], "big")
    return head + more + (MASK_BYTES if data[start + 1] & MASKED else 0) + length
