"""What is typed: lines of a file descriptor, read when somebody is there to take them, without a thread."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

CHUNK_BYTES = 64 * 1024
LINE_BYTES_MAX = 1024 * 1024
"""A line is cut here: far beyond what a message may hold, so that it is refused instead of sent."""


async def typed_lines(descriptor: int) -> AsyncIterator[str]:
    """Yield each line without its end, bytes that are no UTF-8 replaced; empty lines are passed over."""
    pending = b""
    while chunk := await read_chunk(descriptor):
        *lines, pending = (pending + chunk).split(b"\n")
        pending = pending[:LINE_BYTES_MAX]
        for line in filter(None, map(_text, lines)):
            yield line
    if last := _text(pending):
        yield last


async def read_chunk(descriptor: int) -> bytes:
    """Return what can be read now, waiting for it; nothing at the end, or when the terminal is gone."""
    try:
        await _readable(descriptor)
        return os.read(descriptor, CHUNK_BYTES)
    except OSError:
        # A closed descriptor, or a terminal that hung up: nobody types there any more.
        return b""


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:
        # A regular file cannot be waited for, and need not be.
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


def _text(line: bytes) -> str:
    return line.decode(errors="replace").removesuffix("\r")
