"""The outbox: one frame per turn of the loop, up to its limit; a slow client is given up once and costs nobody."""

from __future__ import annotations

import asyncio

import pytest

from chat.outbox import Outbox, Turn

FRAME_BYTES_MAX = 20
BYTES_MAX = 100


class Transport:
    """What was written, and whether it takes more."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.paused = False
        self.pauses_after: int | None = None

    def write_text(self, payload: bytes) -> None:
        self.frames.append(payload)
        if self.pauses_after is not None and len(self.frames) >= self.pauses_after:
            self.paused = True

    def write_buffer_bytes(self) -> int:
        return 7


class Line:
    """An outbox with small limits."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.overflows = 0
        self.outbox = Outbox(
            self.transport, self._overflowed, Turn(), bytes_max=BYTES_MAX, frame_bytes_max=FRAME_BYTES_MAX
        )

    def push(self, *messages: bytes) -> None:
        for message in messages:
            self.outbox.push(message)

    def _overflowed(self) -> None:
        self.overflows += 1


@pytest.fixture
async def line() -> Line:
    return Line()


async def turn() -> None:
    """Let the loop go round."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_comes_in_one_turn_goes_out_in_one_frame(line: Line) -> None:
    line.push(b"a", b"b", b"c")
    assert line.transport.frames == []
    await turn()
    assert line.transport.frames == [b"a\nb\nc"]
    line.push(b"d")
    await turn()
    assert line.transport.frames == [b"a\nb\nc", b"d"]


async def test_a_frame_ends_before_its_limit(line: Line) -> None:
    line.push(*[b"x" * 6] * 6)
    await turn()
    assert [len(frame) for frame in line.transport.frames] == [20, 20]
    line.transport.frames.clear()
    line.push(b"x" * 10, b"y" * 10, b"z" * 9)
    await turn()
    assert line.transport.frames == [b"x" * 10, b"y" * 10 + b"\n" + b"z" * 9]


async def test_what_is_larger_than_a_frame_goes_alone(line: Line) -> None:
    line.push(b"a", b"x" * 30, b"b", b"c")
    await turn()
    assert line.transport.frames == [b"a", b"x" * 30, b"b\nc"]


async def test_a_paused_client_is_given_nothing_until_it_reads_again(line: Line) -> None:
    line.transport.paused = True
    line.push(b"a", b"b")
    await turn()
    assert line.transport.frames == []
    assert line.outbox.waiting_bytes == 4 + 7
    line.transport.paused = False
    line.outbox.flush()
    assert line.transport.frames == [b"a\nb"]
    assert line.outbox.waiting_bytes == 7


async def test_a_client_that_pauses_in_between_keeps_the_rest(line: Line) -> None:
    line.transport.pauses_after = 1
    line.push(b"x" * 15, b"y" * 15, b"z")
    await turn()
    assert line.transport.frames == [b"x" * 15]
    line.transport.pauses_after, line.transport.paused = None, False
    line.outbox.flush()
    assert line.transport.frames[1:] == [b"y" * 15 + b"\n" + b"z"]


async def test_a_client_that_lets_too_much_wait_is_given_up_once_and_told_nothing_more(line: Line) -> None:
    line.transport.paused = True
    line.push(*[b"x" * 24] * 4)
    await turn()
    assert line.overflows == 0
    line.push(b"one too many")
    line.push(b"and more", b"x" * 500)
    await turn()
    assert line.overflows == 1
    line.transport.paused = False
    line.outbox.flush()
    line.outbox.close()
    await turn()
    assert line.transport.frames == []
    assert line.overflows == 1


async def test_giving_a_client_up_does_not_happen_inside_the_push(line: Line) -> None:
    line.transport.paused = True
    line.push(b"x" * (BYTES_MAX + 1))
    assert line.overflows == 0
    await turn()
    assert line.overflows == 1


async def test_a_fast_client_takes_more_than_the_limit_at_once(line: Line) -> None:
    line.push(*[b"x" * 24] * 20)
    await turn()
    assert len(line.transport.frames) == 20
    assert line.overflows == 0


async def test_closing_writes_what_waits_and_takes_nothing_more(line: Line) -> None:
    line.push(b"a", b"b")
    line.outbox.close()
    line.push(b"c")
    await turn()
    assert line.transport.frames == [b"a\nb"]


@pytest.mark.parametrize("ends_by", ["reading", "closing", "overflowing"])
async def test_whoever_asks_for_more_waits_until_he_has_read(line: Line, ends_by: str) -> None:
    await line.outbox.drained()
    line.transport.paused = True
    line.push(b"a")
    waiting = [asyncio.create_task(line.outbox.drained()) for _ in range(2)]
    await turn()
    assert not any(task.done() for task in waiting)
    if ends_by == "reading":
        line.transport.paused = False
        line.outbox.flush()
    elif ends_by == "closing":
        line.outbox.close()
    else:
        line.push(b"x" * (BYTES_MAX + 1))
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    await line.outbox.drained()


async def test_any_mix_arrives_whole_and_in_order(line: Line) -> None:
    messages = [bytes([65 + number % 26]) * (1 + number * 7 % 29) for number in range(200)]
    for number, message in enumerate(messages):
        line.push(message)
        if number % 7 == 0:
            await turn()
    await turn()
    assert b"\n".join(line.transport.frames).split(b"\n") == messages
    assert all(len(frame) <= FRAME_BYTES_MAX or b"\n" not in frame for frame in line.transport.frames)
    assert line.outbox.waiting_bytes == 7
