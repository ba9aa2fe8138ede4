"""The supervisor over a real S3 that is down, frozen, or has other keys: a stop is bounded, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ops.litestream_world import World, alive
from tests.support.s3 import SECRET, S3Server
from tests.support.waiting import until

STOP_S = 2.0
STOP_SLACK_S = 3.0


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


async def test_replicates_to_s3_with_keys_in_the_environment_alone(
    world: World, s3: S3Server, tmp_path: Path
) -> None:
    async with world.supervised() as litestream:
        await world.proven("main")
        await world.proven("persona_luna")
        process = Path(f"/proc/{litestream.status.pid}")
        assert SECRET.encode() in (process / "environ").read_bytes()
        assert SECRET.encode() not in (process / "cmdline").read_bytes()
        folder = tmp_path / "data/litestream"
        assert all(SECRET.encode() not in file.read_bytes() for file in folder.iterdir() if file.is_file())
        assert world.restored("main", tmp_path / "restored.db") == ["one"]
    assert {file.relative_to(s3.bucket).parts[:2] for file in s3.objects()} == {
        ("chat", "main"),
        ("chat", "persona_luna"),
    }


async def test_a_stop_is_bounded_without_the_store_and_the_next_start_catches_up(
    world: World, s3: S3Server, tmp_path: Path
) -> None:
    async with world.supervised() as litestream:
        await world.proven("main")
        await world.proven("persona_luna")
        s3.kill()
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


async def test_refused_keys_are_told_without_the_secret(
    world: World, s3: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    await s3.deny()
    async with world.supervised() as litestream:
        await until(lambda: litestream.status.running, "a process")
        outcomes = [await litestream.sync(world.databases.path(), 5) for _ in range(2)]
        await asyncio.sleep(0)
    assert not any(outcome.ok for outcome in outcomes)
    assert any("403" in outcome.reason for outcome in outcomes), outcomes
    assert SECRET not in caplog.text
