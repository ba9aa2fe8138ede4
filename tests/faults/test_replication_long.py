"""Everything that can stop copies from arriving: told within 30 s, while the chat goes on; mended within 60 s."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat.replication import DOWN, REPLICATING, STALLED
from tests.faults import disks
from tests.support.replicated import ALARM_S, CAUGHT_UP_S, Replicated
from tests.support.s3 import S3Server
from tests.support.server import palaver
from tests.support.waiting import until_awaited

MIB = 2**20
START_EMPTY = palaver("serve", "--start-empty")
"""For a first start that cannot see, or must not heed, what the replica has."""
READER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM messages").fetchone()
print("reading", flush=True)
time.sleep(600)
"""


@pytest.fixture
async def s3(tmp_path: Path) -> AsyncIterator[S3Server]:
    server = await S3Server.start(tmp_path / "s3")
    yield server
    server.close()


@pytest.fixture
async def server(tmp_path: Path, s3: S3Server) -> AsyncIterator[Replicated]:
    async with Replicated.start(tmp_path / "data", **s3.settings()) as replicated:
        await replicated.replicating()
        yield replicated


class Stopwatch:
    """Prints how long something took."""

    def __init__(self) -> None:
        self.began_s = time.monotonic()

    def lap(self, what: str) -> None:
        now_s = time.monotonic()
        print(f"{what} after {now_s - self.began_s:.1f} s")
        self.began_s = now_s


async def alarmed(server: Replicated, watch: Stopwatch, state: str, reason: str) -> None:
    """Wait for the alarm; it degrades the server, which goes on."""
    replica = await server.until_state(state, reason=reason, timeout_s=ALARM_S)
    watch.lap(f"told: {replica.state}: {replica.reason}")
    code, health = await server.health()
    assert (code, health.status) == (200, "degraded")


async def mended(server: Replicated, watch: Stopwatch) -> None:
    """Wait until everything that is committed now is on the replica."""
    await server.replicating(CAUGHT_UP_S)
    watch.lap("caught up")
    code, health = await server.health()
    assert (code, health.status) == (200, "ok")
    print(f"sent meanwhile: {server.sent}, the slowest in {server.slowest_s:.2f} s")


async def test_an_s3_server_that_is_down_is_told_and_caught_up_with(server: Replicated, s3: S3Server) -> None:
    async with server.talking():
        watch = Stopwatch()
        s3.kill()
        await alarmed(server, watch, DOWN, "")
        await s3.launch()
        await mended(server, Stopwatch())


async def test_an_s3_server_that_is_down_is_told_though_nobody_writes(
    server: Replicated, s3: S3Server
) -> None:
    watch = Stopwatch()
    s3.kill()
    await alarmed(server, watch, DOWN, "")


async def test_an_s3_server_that_is_frozen_is_told_and_caught_up_with(
    server: Replicated, s3: S3Server
) -> None:
    async with server.talking():
        watch = Stopwatch()
        s3.freeze()
        await alarmed(server, watch, DOWN, "")
        s3.thaw()
        await mended(server, Stopwatch())


async def test_keys_that_are_refused_are_told_and_caught_up_with(server: Replicated, s3: S3Server) -> None:
    async with server.talking():
        watch = Stopwatch()
        await s3.deny()
        await alarmed(server, watch, DOWN, "403")
        await s3.allow()
        await mended(server, Stopwatch())


async def test_a_store_that_takes_no_writes_is_told_and_caught_up_with(
    server: Replicated, s3: S3Server
) -> None:
    async with server.talking():
        watch = Stopwatch()
        await s3.refuse_writes()
        await alarmed(server, watch, DOWN, "")
        await s3.allow()
        await mended(server, Stopwatch())


async def test_a_bucket_that_is_gone_is_told_and_caught_up_with(server: Replicated, s3: S3Server) -> None:
    async with server.talking():
        watch = Stopwatch()
        s3.bucket.rename(s3.folder / "elsewhere")
        await s3.restart()
        await alarmed(server, watch, DOWN, "NoSuchBucket")
        (s3.folder / "elsewhere").rename(s3.bucket)
        await s3.restart()
        await mended(server, Stopwatch())


async def test_a_bucket_that_never_was_is_told(tmp_path: Path, s3: S3Server) -> None:
    settings = s3.settings() | {"replica": "s3://mistyped/chat"}
    watch = Stopwatch()
    async with (
        Replicated.start(tmp_path / "data", command=START_EMPTY, **settings) as server,
        server.talking(),
    ):
        await alarmed(server, watch, DOWN, "NoSuchBucket")
        (s3.folder / "mistyped").mkdir()
        await s3.restart()
        await mended(server, Stopwatch())


async def test_a_server_that_starts_while_s3_is_down_tells_so_and_catches_up(
    tmp_path: Path, s3: S3Server
) -> None:
    s3.kill()
    watch = Stopwatch()
    async with (
        Replicated.start(tmp_path / "data", command=START_EMPTY, **s3.settings()) as server,
        server.talking(),
    ):
        await alarmed(server, watch, DOWN, "")
        await s3.launch()
        await mended(server, Stopwatch())


async def test_a_litestream_that_lost_what_it_noted_is_started_anew(server: Replicated) -> None:
    noted = server.server.data_dir / ".main.db-litestream"
    async with server.talking():
        watch = Stopwatch()
        shutil.rmtree(noted)
        noted.mkdir()
        before = (await server.report()).litestream.restarts

        async def restarted() -> bool:
            return (await server.report()).litestream.restarts > before

        await until_awaited(restarted, "a fresh litestream", ALARM_S)
        watch.lap("started anew")
        await mended(server, watch)


async def test_a_litestream_that_is_frozen_is_told_and_replaced(server: Replicated) -> None:
    pid = (await server.report()).litestream.pid
    async with server.talking():
        watch = Stopwatch()
        os.kill(pid, signal.SIGSTOP)
        await alarmed(server, watch, STALLED, "")
        await mended(server, watch)


async def test_a_litestream_that_is_killed_is_replaced(server: Replicated) -> None:
    pid = (await server.report()).litestream.pid
    async with server.talking():
        watch = Stopwatch()
        os.kill(pid, signal.SIGKILL)

        async def replaced() -> bool:
            return (await server.report()).litestream.pid not in (0, pid)

        await until_awaited(replaced, "another litestream", ALARM_S)
        watch.lap("replaced")
        await mended(server, watch)


async def test_a_litestream_that_dies_again_and_again_is_told(tmp_path: Path) -> None:
    dying = tmp_path / "litestream"
    dying.write_text('#!/bin/sh\n[ "$1" = version ] && echo 0.5.17 && exit 0\nsleep 1; exit 3\n')
    dying.chmod(0o755)
    watch = Stopwatch()
    async with Replicated.start(tmp_path / "data", litestream=dying) as server, server.talking():
        await alarmed(server, watch, DOWN, "exited with 3")


async def test_a_binary_that_is_missing_is_told(tmp_path: Path) -> None:
    watch = Stopwatch()
    async with (
        Replicated.start(tmp_path / "data", litestream="/nowhere/litestream") as server,
        server.talking(),
    ):
        await alarmed(server, watch, DOWN, "/nowhere/litestream")


async def test_a_binary_that_is_too_old_is_told(tmp_path: Path) -> None:
    old = tmp_path / "litestream"
    old.write_text("#!/bin/sh\necho 0.5.16\n")
    old.chmod(0o755)
    watch = Stopwatch()
    async with Replicated.start(tmp_path / "data", litestream=old) as server, server.talking():
        await alarmed(server, watch, DOWN, "0.5.16")


async def test_a_replica_whose_disk_is_full_is_told_and_caught_up_with(tmp_path: Path) -> None:
    with disks.small_disk(tmp_path / "disk", 32) as disk:
        async with Replicated.start(tmp_path / "data", replica=disk / "replica") as server, server.talking():
            await server.replicating()
            watch = Stopwatch()
            with disks.full(disk):
                await alarmed(server, watch, DOWN, "No space left")
            await mended(server, Stopwatch())


async def test_a_full_disk_beneath_the_database_is_told_and_caught_up_with(
    tmp_path: Path, s3: S3Server
) -> None:
    with disks.small_disk(tmp_path / "disk", 32) as disk:
        async with Replicated.start(disk / "data", **s3.settings()) as server:
            await server.replicating()
            watch = Stopwatch()
            with disks.full(disk):
                await server.until_state(STALLED, DOWN, timeout_s=ALARM_S)
                watch.lap(f"told: {await server.main()}")
            await server.replicating(CAUGHT_UP_S)
            watch.lap("caught up")


async def test_a_wal_over_its_limit_is_told_and_copied_back_while_replication_is_down(
    tmp_path: Path, s3: S3Server
) -> None:
    settings = s3.settings() | {"wal_bytes_max": MIB, "journal_size_limit_bytes": 0}
    async with Replicated.start(tmp_path / "data", **settings) as server:
        await server.replicating()
        wal = server.server.data_dir / "main.db-wal"
        with reading(server):
            async with server.talking():
                pid = (await server.report()).litestream.pid
                os.kill(pid, signal.SIGSTOP)
                watch = Stopwatch()

                async def told() -> bool:
                    _, health = await server.health()
                    return any(part.part == "WAL of main" and not part.ok for part in health.parts)

                await grow(server, wal, 2 * MIB)
                watch.lap("grown")
                await until_awaited(told, "the alarm about the WAL", ALARM_S)
                watch.lap("told")


async def test_a_reader_that_does_not_end_is_told_by_its_pid(server: Replicated) -> None:
    watch = Stopwatch()

    async def told() -> bool:
        _, health = await server.health()
        return any(part.part == "readers of main" and str(reader.pid) in part.reason for part in health.parts)

    async def over() -> bool:
        return not await told()

    with reading(server) as reader:
        async with server.talking():
            await until_awaited(told, "the alarm about the reader", ALARM_S)
            watch.lap("told")
    await until_awaited(over, "the end of the alarm", ALARM_S)


async def test_a_dead_process_of_this_machine_is_followed_at_once(tmp_path: Path) -> None:
    place = tmp_path / "shared"
    async with Replicated.start(tmp_path / "first", replica=place) as first:
        await first.until_state(REPLICATING)
        await first.server.kill()
        async with Replicated.start(tmp_path / "second", command=START_EMPTY, replica=place) as second:
            await second.until_state(REPLICATING, timeout_s=10.0)


@contextmanager
def reading(server: Replicated) -> Iterator[subprocess.Popen[bytes]]:
    """Let a process read the database in one transaction all the while."""
    database = server.server.data_dir / "main.db"
    with subprocess.Popen([sys.executable, "-c", READER, str(database)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"reading\n"
            yield process
        finally:
            process.kill()


async def grow(server: Replicated, wal: Path, size_bytes: int) -> None:
    """Send large messages until the WAL has that size."""
    async with server.writer() as (alice, conversation):
        while wal.stat().st_size < size_bytes:
            await asyncio.gather(*(alice.send(conversation, "x" * 8000) for _ in range(20)))
