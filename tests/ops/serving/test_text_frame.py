"""Frames without the general parser: the same texts, however the stream is cut."""

from __future__ import annotations

import asyncio
import random
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from ops.serving.inbox import Inbox
from ops.serving.text_frame import frame_end, read_text
from tests.ops.serving.running import (
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Receive,
    Scope,
    Send,
    Wire,
    application,
    frame,
    serving,
)

BYTES_MAX = 70_000
SIZES = st.sampled_from([0, 1, 124, 125, 126, 127, 65_535, 65_536])
OPCODES = st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG, Opcode.CLOSE])


@given(opcode=OPCODES, final=st.booleans(), masked=st.booleans(), size=SIZES, before=st.binary(max_size=9))
def test_a_frame_ends_where_it_says_and_only_a_plain_text_is_read(
    opcode: Opcode, final: bool, masked: bool, size: int, before: bytes
) -> None:
    if opcode >= Opcode.CLOSE and (size > 125 or not final):
        return  # RFC 6455 §5.5: not a frame
    written = Frame(opcode, b"x" * size, fin=final).serialize(mask=masked)
    data, start = before + written + b"more", len(before)
    assert frame_end(data, start) == start + len(written)
    plain = opcode is Opcode.TEXT and final and masked and size <= 65_535
    assert read_text(data, start, BYTES_MAX) == ((start + len(written), b"x" * size) if plain else None)
    for missing in range(1, min(len(written), 20)):
        assert read_text(before + written[:-missing], start, BYTES_MAX) is None


def test_a_text_over_the_limit_is_left_to_the_general_parser() -> None:
    assert read_text(frame(TEXT, b"x" * 11), 0, 10) is None


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept, and send every text back."""
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})


@pytest.mark.parametrize("seed", range(8))
def test_a_stream_cut_anywhere_gives_the_same_messages(seed: int) -> None:
    chance = random.Random(seed)
    stream, texts, pings = bytearray(), [], 0
    for number in range(60):
        text = f"{number}:".encode() + "ä".encode() * chance.choice([0, 3, 60, 200, 3000])
        kind = chance.random()
        if kind < 0.7:
            stream += frame(TEXT, text)
        elif kind < 0.9:
            stream += frame(TEXT, text[:2], final=False) + frame(PING, b"") + frame(CONTINUATION, text[2:])
            pings += 1
        else:
            stream += frame(PING, b"p") + frame(TEXT, text)
            pings += 1
        texts.append(text)
    with serving(application(echo), control_frames_per_s_max=1000) as ours, Wire(ours.port) as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.upgrade()
        while stream:
            size = chance.choice([1, 2, 5, 50, 1000, 10_000])
            wire.send(bytes(stream[:size]))
            del stream[:size]
        received = [wire.frame() for _ in range(len(texts) + pings)]
    assert [payload for opcode, payload in received if opcode == TEXT] == texts
    assert sum(opcode == PONG for opcode, _ in received) == pings


async def test_an_inbox_hands_out_in_order_and_waits_for_more() -> None:
    inbox: Inbox[int] = Inbox(asyncio.get_running_loop())
    inbox.put_nowait(1)
    inbox.put_nowait(2)
    assert (inbox.qsize(), inbox.empty()) == (2, False)
    assert [await inbox.get(), await inbox.get()] == [1, 2]
    waiting = asyncio.ensure_future(inbox.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    inbox.put_nowait(3)
    inbox.put_nowait(4)
    assert [await waiting, await inbox.get()] == [3, 4]
