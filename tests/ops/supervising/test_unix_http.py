"""HTTP over a unix socket, against a server that says word for word what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ops.supervising.unix_http import ConnectionDropped, UnixHttp

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
CHUNKED = b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n2\r\nne\r\n0\r\n\r\n"


class Scripted:
    """Says one answer to each question; None ends the connection instead. Counts the connections."""

    def __init__(self, answers: Sequence[bytes | None]) -> None:
        self.connections = 0
        self._answers = list(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await _question(reader) and (answer := self._answers.pop(0)) is not None:
                writer.write(answer)
        finally:
            writer.close()


async def _question(reader: asyncio.StreamReader) -> bool:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return False
    await reader.readexactly(int(head.rpartition(b"Content-Length: ")[2]))
    return True


@asynccontextmanager
async def scripted(folder: Path, *answers: bytes | None) -> AsyncIterator[tuple[UnixHttp, Scripted]]:
    script = Scripted(answers)
    server = await asyncio.start_unix_server(script.serve, folder / "socket")
    http = UnixHttp(folder / "socket", 1)
    try:
        yield http, script
    finally:
        http.close()
        server.close()


async def test_questions_one_after_the_other_share_a_connection(tmp_path: Path) -> None:
    async with scripted(tmp_path, FINE, CHUNKED, FINE) as (http, script):
        assert await http.ask("GET", "/info") == (200, b"fine")
        assert await http.ask("POST", "/sync", b"{}") == (500, b"fine")
        assert await http.ask("GET", "/info") == (200, b"fine")
    assert script.connections == 1


async def test_a_connection_that_ends_before_its_answer_is_told_and_the_next_question_takes_another(
    tmp_path: Path,
) -> None:
    async with scripted(tmp_path, None, FINE) as (http, script):
        with pytest.raises(ConnectionDropped):
            await http.ask("POST", "/sync", b"{}")
        assert await http.ask("POST", "/sync", b"{}") == (200, b"fine")
    assert script.connections == 2


@pytest.mark.parametrize("said", [b"no http at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
async def test_what_is_no_http_is_an_error_of_the_connection(tmp_path: Path, said: bytes) -> None:
    async with scripted(tmp_path, said) as (http, _):
        with pytest.raises(ConnectionDropped):
            await http.ask("GET", "/info")


async def test_who_gives_up_waiting_leaves_no_late_answer_to_the_next(tmp_path: Path) -> None:
    async with scripted(tmp_path, b"", FINE) as (http, script):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await http.ask("GET", "/slow")
        assert await http.ask("GET", "/info") == (200, b"fine")
    assert script.connections == 2


async def test_nobody_at_the_socket_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await UnixHttp(tmp_path / "nobody", 1).ask("GET", "/info")
