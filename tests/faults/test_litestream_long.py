"""The supervisor over a real S3 that is frozen, or down at its start, or down when a file is exchanged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.engine import sqlite3
from tests.ops.litestream_world import World, alive
from tests.support.s3 import S3Server
from tests.support.waiting import until

STOP_S = 2.0
STOP_SLACK_S = 3.0
COMMIT_BYTES = 4 * 2**20
FORCED_BYTES = 121_359 * 4096 + 16 * COMMIT_BYTES
"""Well beyond the size at which Litestream, left to its defaults, empties the WAL by force."""
COMMIT_MAX_S = 3.0
LOCKED_S = 10.0


@pytest.fixture
async def s3(tmp_path: Path) -> AsyncIterator[S3Server]:
    server = await S3Server.start(tmp_path / "s3")
    yield server
    server.close()


@pytest.fixture
def world(tmp_path: Path, s3: S3Server) -> World:
    world = World(tmp_path / "data", replica_stop_s=STOP_S, **s3.settings())
    world.databases.write("main", "one")
    world.databases.write("persona_luna", "her first")
    return world


async def test_a_stop_is_bounded_over_a_frozen_store_and_the_next_start_catches_up(
    world: World, s3: S3Server, tmp_path: Path
) -> None:
    async with world.supervised() as litestream:
        await world.proven("main")
        await world.proven("persona_luna")
        s3.freeze()
        world.databases.write("main", "two")
        world.databases.write("persona_luna", "her second")
        outcome = await litestream.sync(world.databases.path(), 0.5)
        assert (outcome.ok, "0.5 s" in outcome.reason) == (False, True)
        pid, began_s = litestream.status.pid, time.monotonic()
        await litestream.stop()
        assert time.monotonic() - began_s < STOP_S + STOP_SLACK_S
        assert not alive(pid)
    await s3.restart()
    async with world.supervised():
        await world.proven("main")
        await world.proven("persona_luna")
    assert world.restored("main", tmp_path / "restored.db") == ["one", "two"]
    assert world.restored("persona_luna", tmp_path / "restored.db") == ["her first", "her second"]


async def test_a_start_without_the_store_is_no_hindrance_and_recovers(
    world: World, s3: S3Server, tmp_path: Path
) -> None:
    s3.kill()
    async with world.supervised() as litestream:
        await until(lambda: litestream.status.running, "a process")
        assert not (await litestream.sync(world.databases.path(), 0.5)).ok
        await s3.launch()
        await world.proven("main")
    assert world.restored("main", tmp_path / "restored.db") == ["one"]


async def test_a_long_read_stops_no_writer_however_large_the_wal_grows(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    world.databases.write("main", "one")
    path, slowest_s = world.databases.path(), 0.0
    async with world.supervised():
        await world.proven()
        with closing(sqlite3.connect(path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM notes").fetchone()
            while path.with_name("main.db-wal").stat().st_size < FORCED_BYTES:
                began_s = time.monotonic()
                await asyncio.to_thread(write_much, path)
                slowest_s = max(slowest_s, time.monotonic() - began_s)
    print(f"the slowest commit took {slowest_s:.2f} s")
    assert slowest_s < COMMIT_MAX_S


def write_much(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=LOCKED_S)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("INSERT INTO notes VALUES (zeroblob(?))", (COMMIT_BYTES,))
        connection.commit()


async def test_a_file_exchanged_while_the_store_is_down_is_copied_whole_when_it_is_back(
    world: World, s3: S3Server, tmp_path: Path
) -> None:
    async with world.supervised() as litestream:
        await world.proven("persona_luna")
        s3.kill()
        world.databases.replace("persona_luna", "from a backup")
        await until(lambda: litestream.status.copying, "the exchange noticed")
        await until(lambda: litestream.status.files == (str(world.databases.path()),), "the other file alone")
        await s3.launch()
        await world.proven("persona_luna")
    assert world.restored("persona_luna", tmp_path / "restored.db") == ["from a backup"]
