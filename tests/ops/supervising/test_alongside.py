"""A server alongside believes what another process's litestream says only for as long as that one may copy."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from chat.replication import LeaseReport
from chat.settings import Settings
from ops.supervising.alongside import NO_PROOF, NOBODY, LitestreamAlongside
from ops.supervising.files import SupervisedFiles
from ops.supervising.place import LitestreamPlace
from ops.supervising.status import LitestreamStatus
from ops.supervising.told import Teller, Told, ToldElsewhere

SYNCED = b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"status":"synced"}'
HELD = LeaseReport(state="held")
RUNNING = LitestreamStatus(running=True, pid=7)
TIMEOUT_S = 5.0


class Process:
    """What there is of the other process: what it tells, and a litestream that always says that all is well."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "main.db"
        self.file.write_bytes(b"not empty")
        settings = Settings(data=str(folder))
        self._place = LitestreamPlace(settings)
        self._place.make()
        SupervisedFiles(lambda: [self.file], self._place.files, "a place").hold()
        self.teller = Teller(self._place)
        self.teller.acquire()
        self.during: Callable[[], None] = lambda: None
        self._writers: list[asyncio.StreamWriter] = []
        self.server = LitestreamAlongside(settings, self._look, LeaseReport(state="free"))

    def tells(self, **changed: object) -> None:
        told = Told(status=RUNNING, lease=HELD, proves_until_s=time.monotonic() + 60)
        self.teller.tell(msgspec.structs.replace(told, **changed))

    async def listen(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._answer, self._place.socket)

    async def proof(self) -> str:
        """Return what is said against a proof; empty for one that counts."""
        outcome = await self.server.sync(self.file, TIMEOUT_S)
        assert outcome.ok == (not outcome.reason)
        return outcome.reason

    async def _look(self) -> str:
        return "looked at"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"}"):
                self.during()
                writer.write(SYNCED)

    async def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()
            await writer.wait_closed()


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    process = Process(tmp_path)
    listening = await process.listen()
    running = asyncio.create_task(process.server.run())
    yield process
    await process.server.stop()
    await running
    listening.close()
    await process.hang_up()
    process.teller.release()


async def test_a_proof_counts_while_the_lease_is_in_force(process: Process) -> None:
    assert await process.proof() == NOBODY
    process.tells()
    assert await process.proof() == ""
    process.tells(proves_until_s=time.monotonic() - 0.001)
    assert await process.proof() == NO_PROOF
    process.tells(refusal="process 8 on bert took over the replica", proves_until_s=0.0)
    assert await process.proof() == "process 8 on bert took over the replica"
    process.tells(status=msgspec.structs.replace(RUNNING, copying=(str(process.file),)))
    assert "whole new copy" in await process.proof()
    process.tells(status=LitestreamStatus(running=False, reason="it has ended"))
    assert await process.proof() == "it has ended"


async def test_a_proof_does_not_count_where_the_lease_went_while_it_was_made(process: Process) -> None:
    process.tells()
    process.during = lambda: process.tells(refusal="process 8 on bert took over the replica")
    assert await process.proof() == "process 8 on bert took over the replica"
    process.tells()
    process.during = lambda: process.tells(proves_until_s=0.0)
    assert await process.proof() == NO_PROOF


async def test_nothing_that_a_dead_process_told_counts(process: Process, tmp_path: Path) -> None:
    process.tells()
    told = (tmp_path / "litestream" / "told.json").read_bytes()
    process.teller.release()
    (tmp_path / "litestream" / "told.json").write_bytes(told)
    assert await process.proof() == NOBODY
    assert process.server.lease_report().state == "free"
    process.teller.acquire()
    assert await process.proof() == NOBODY


async def test_trouble_of_the_lease_is_told_before_the_replica_is_looked_at(process: Process) -> None:
    process.tells()
    await process.proof()
    assert await process.server.trouble() == "looked at"
    process.tells(lease=LeaseReport(state="held", trouble="403 Forbidden"))
    await process.proof()
    assert await process.server.trouble() == "403 Forbidden"


async def test_only_one_process_tells(process: Process, tmp_path: Path) -> None:
    with pytest.raises(ToldElsewhere, match="Another palaver replicate"):
        Teller(LitestreamPlace(Settings(data=str(tmp_path)))).acquire()
