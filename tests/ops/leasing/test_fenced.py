"""A supervisor under a lease: a place that was emptied gets whole copies, and one that was lost not one piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from ops.leasing.fenced import Leased
from ops.leasing.folder import FolderObject
from ops.leasing.holder import this_process
from ops.leasing.lease import LOST, Lease, Written
from ops.leasing.lease_object import NAME
from ops.supervising.control_socket import LitestreamSocket, SyncOutcome
from ops.supervising.place import LitestreamPlace
from tests.ops.litestream_world import PROVEN_TIMEOUT_S, World, alive
from tests.support.lease_object import holder
from tests.support.waiting import until, until_awaited

TTL_S = 0.6
SYNC_TIMEOUT_S = 5.0
RARELY_S = 60.0


class Fenced:
    """A data folder with one database, replicated under a lease that is renewed often."""

    def __init__(self, folder: Path, ttl_s: float = TTL_S, **settings: object) -> None:
        self.world = World(folder / "data", **settings)
        self.world.databases.write("main", "first")
        self.replica = folder / "data" / "replica"
        self._ttl_s = ttl_s
        self._begin()

    def _begin(self) -> None:
        self.world.litestream = self.world.another()
        self.lease = Lease(FolderObject(self.replica), this_process(self.replica), ttl_s=self._ttl_s)
        self.leased = Leased(self.world.litestream, self.lease)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run as a process of its own would; again, as the next one."""
        self._begin()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.leased.run())
            yield
            await self.leased.stop()

    async def sync(self) -> SyncOutcome:
        return await self.leased.sync(self.world.databases.path(), SYNC_TIMEOUT_S)

    async def proven(self, *texts: str) -> None:
        """Write, and wait until that is said to be on the replica."""
        self.world.databases.write("main", *texts)

        async def look() -> bool:
            return (await self.sync()).ok

        await until_awaited(look, "a proof", PROVEN_TIMEOUT_S)

    def age(self) -> None:
        """Take away the first pieces, as Litestream does when they are some time old."""
        for piece in sorted((self.world.databases.folder / ".main.db-litestream/ltx/0").iterdir())[:-1]:
            piece.unlink()

    def empty(self) -> None:
        """Take the replica away in one step, since its lease is written all the while."""
        self.replica.rename(self.replica.with_name("taken away"))


@pytest.fixture
def fenced(tmp_path: Path) -> Fenced:
    return Fenced(tmp_path)


async def test_nothing_is_proven_on_a_replica_that_was_emptied_until_it_is_whole_again(
    fenced: Fenced, tmp_path: Path
) -> None:
    async with fenced.running():
        await fenced.proven("second")
        await fenced.proven("third")
        fenced.age()
        fenced.empty()
        await until(lambda: (fenced.replica / NAME).exists(), "the lease, written again")

        await fenced.proven("fourth")

        assert fenced.world.restored("main", tmp_path / "copy.db") == ["first", "second", "third", "fourth"]


async def test_a_piece_that_comes_to_an_emptied_replica_before_anybody_notices_proves_nothing(
    tmp_path: Path,
) -> None:
    fenced = Fenced(tmp_path, ttl_s=RARELY_S)
    async with fenced.running():
        await fenced.proven("second")
        fenced.empty()
        await fenced.proven("third")
        await fenced.lease.check()

        await fenced.proven("fourth")

        assert fenced.world.restored("main", tmp_path / "copy.db") == ["first", "second", "third", "fourth"]


async def test_a_replica_that_was_emptied_while_nobody_copied_gets_whole_copies(
    fenced: Fenced, tmp_path: Path
) -> None:
    async with fenced.running():
        await fenced.proven("second")
        await fenced.proven("third")
    fenced.age()
    fenced.empty()

    async with fenced.running():
        await fenced.proven("fourth")

        assert fenced.world.restored("main", tmp_path / "copy.db") == ["first", "second", "third", "fourth"]


async def test_whoever_lost_the_lease_copies_not_one_piece_more(tmp_path: Path) -> None:
    fenced = Fenced(tmp_path, replica_sync_s=RARELY_S)
    async with fenced.running():
        await fenced.proven("second")
        fenced.world.databases.write("main", "not copied")
        pid = fenced.world.litestream.status.pid
        assert alive(pid)

        await FolderObject(fenced.replica).overwrite(msgspec.json.encode(Written(holder=holder("bert"))))
        await until(lambda: fenced.lease.state == LOST, "the loss noticed")
        await until(lambda: not alive(pid), "the process gone")

        assert not (await fenced.sync()).ok
        assert fenced.world.restored("main", tmp_path / "copy.db") == ["first", "second"]


async def test_a_change_of_place_and_back_leaves_both_places_whole(tmp_path: Path) -> None:
    data, away = tmp_path / "data", str(tmp_path / "away")
    here, there = World(data), World(data, replica=away)
    for world, text in ((here, "a"), (there, "b"), (here, "c")):
        for number in range(3):
            world.databases.write("main", f"{text}{number}")
            async with world.supervised():
                await world.proven()

    written = [f"{text}{number}" for text in "abc" for number in range(3)]
    assert here.restored("main", tmp_path / "copy.db") == written
    assert there.restored("main", tmp_path / "copy.db") == written[:6]


async def test_an_answer_that_is_not_understood_proves_nothing(tmp_path: Path) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwhat")
        await writer.drain()
        writer.close()

    place = LitestreamPlace(World(tmp_path).settings)
    place.make()
    async with await asyncio.start_unix_server(nonsense, place.socket):
        socket = LitestreamSocket(place.socket)
        outcome = await socket.sync(tmp_path / "main.db", SYNC_TIMEOUT_S)
        await socket.close()

    assert not outcome.ok
    assert "not understood" in outcome.reason
