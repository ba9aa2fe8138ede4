"""Lines of standard input, whatever that is: a pipe, a file, nothing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from ops.tail import typed as typed_module
from ops.tail.typed import typed_lines


async def lines_of(descriptor: int) -> list[str]:
    return [line async for line in typed_lines(descriptor)]


async def test_lines_of_a_pipe_come_whole_whatever_the_pieces() -> None:
    reader, writer = os.pipe()
    for piece in (b"o", b"ne\ntwo\r\n\nthr", b"ee \xff\n", b"last"):
        os.write(writer, piece)
    os.close(writer)
    assert await lines_of(reader) == ["one", "two", "three \N{REPLACEMENT CHARACTER}", "last"]
    os.close(reader)


async def test_a_line_is_there_as_soon_as_it_is_typed() -> None:
    reader, writer = os.pipe()
    lines = typed_lines(reader)
    os.write(writer, b"now\n")
    assert await anext(lines) == "now"
    os.close(writer)
    assert await anext(lines, "the end") == "the end"
    os.close(reader)


@pytest.mark.parametrize("content", ["", "one\ntwo\n"])
async def test_a_regular_file_is_read_to_its_end(tmp_path: Path, content: str) -> None:
    file = tmp_path / "lines"
    file.write_text(content)
    with file.open("rb") as open_file:
        assert await lines_of(open_file.fileno()) == content.split()


async def test_a_closed_descriptor_is_the_end() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    assert await lines_of(reader) == []


async def test_a_line_without_end_is_cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(typed_module, "LINE_BYTES_MAX", 10)
    monkeypatch.setattr(typed_module, "CHUNK_BYTES", 4)
    file = tmp_path / "lines"
    file.write_text("x" * 100 + "\nshort\n")
    with file.open("rb") as open_file:
        first, second = await lines_of(open_file.fileno())
    assert len(first) <= 14
    assert second == "short"


async def test_waiting_for_a_line_can_be_cancelled() -> None:
    reader, writer = os.pipe()
    waiting = asyncio.ensure_future(lines_of(reader))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not asyncio.get_running_loop().remove_reader(reader)
    os.close(reader)
    os.close(writer)
