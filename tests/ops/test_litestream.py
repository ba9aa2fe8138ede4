"""The supervisor keeps a real litestream running, and what it says is on the replica is there."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from itertools import chain
from pathlib import Path

import pytest

from ops.supervising.lock import SupervisedElsewhere
from tests.ops.litestream_world import BINARY, World, alive
from tests.support.waiting import until


async def test_what_a_sync_proves_can_be_restored(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    world.databases.write("main", "one")
    async with world.supervised() as litestream:
        await world.proven()
        world.databases.write("main", "two")
        outcome = await litestream.sync(world.databases.path(), 10)
        assert (outcome.ok, outcome.status) == (True, "synced")
        assert outcome.replicated_txid == outcome.txid > 0
        assert world.restored("main", tmp_path / "restored.db") == ["one", "two"]
        assert litestream.status.running
        assert litestream.status.files == (str(world.databases.path()),)
    assert not litestream.status.running


async def test_a_stop_leaves_nothing_behind_that_was_written(tmp_path: Path) -> None:
    world = World(tmp_path / "data", replica_sync_s=30.0)
    world.databases.write("main", "one")
    async with world.supervised() as litestream:
        await world.proven()
        world.databases.write("main", "two")
        pid = litestream.status.pid
    assert not alive(pid)
    assert world.restored("main", tmp_path / "restored.db") == ["one", "two"]


async def test_a_killed_litestream_is_started_again(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    world.databases.write("main", "one")
    async with world.supervised() as litestream:
        await world.proven()
        pid = litestream.status.pid
        os.kill(pid, signal.SIGKILL)
        world.databases.write("main", "two")
        status = await until(
            lambda: litestream.status if litestream.status.running and litestream.status.pid != pid else None,
            "another process",
        )
        assert (status.restarts, "SIGKILL" in status.reason) == (1, True)
        await world.proven()
    assert world.restored("main", tmp_path / "restored.db") == ["one", "two"]


async def test_a_wished_restart_says_why(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    world.databases.write("main", "one")
    async with world.supervised() as litestream:
        await world.proven()
        pid = litestream.status.pid
        await litestream.restart("the probe failed twice")
        status = await until(
            lambda: litestream.status if litestream.status.running and litestream.status.pid != pid else None,
            "another process",
        )
        assert status.reason == "the probe failed twice"
        await world.proven()


async def test_a_litestream_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    # With this variable Litestream ends at its start: which is why it inherits none of ours.
    world = World(
        tmp_path / "data",
        replica="s3://bucket/chat",
        replica_endpoint="http://127.0.0.1:9",
        replica_environment=f"AWS_CA_BUNDLE={tmp_path}/none.pem",
    )
    world.databases.write("main", "one")
    async with world.supervised() as litestream:
        reason = await until(
            lambda: litestream.status.reason if "exited with" in litestream.status.reason else "", "its end"
        )
        assert not litestream.status.running
        assert "none.pem" in reason


async def test_a_missing_binary_is_told_and_looked_for_again(tmp_path: Path) -> None:
    binary = tmp_path / "litestream"
    world = World(tmp_path / "data", litestream=str(binary))
    world.databases.write("main", "one")
    async with world.supervised() as litestream:
        await until(lambda: "PALAVER_LITESTREAM" in litestream.status.reason, "a reason")
        outcome = await litestream.sync(world.databases.path(), 1)
        assert (outcome.ok, "PALAVER_LITESTREAM" in outcome.reason) == (False, True)
        binary.symlink_to(BINARY)
        await world.proven()


async def test_inherits_nothing_and_shows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere.pem")
    monkeypatch.setenv("PALAVER_JWT_SECRET", "ours-alone")
    world = World(
        tmp_path / "data",
        replica_secret_access_key="hidden-secret",
        replica_environment="SSL_CERT_DIR=/etc/ssl",
    )
    world.databases.write("main", "one")
    async with world.supervised() as litestream:
        await world.proven()
        process = Path(f"/proc/{litestream.status.pid}")
        environment = (process / "environ").read_bytes().split(b"\0")
        # Python's own addition where there is no locale.
        assert set(environment) - {b"", b"LC_CTYPE=C.UTF-8"} == {b"SSL_CERT_DIR=/etc/ssl"}
        assert b"hidden-secret" not in (process / "cmdline").read_bytes()
        folder = tmp_path / "data" / "litestream"
        assert all(b"hidden-secret" not in file.read_bytes() for file in folder.iterdir() if file.is_file())
        assert (folder / "config.json").stat().st_mode & 0o777 == 0o600
        assert (folder / "socket").stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700


async def test_a_second_supervisor_waits_for_the_first_and_says_for_whom(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    world.databases.write("main", "one")
    other = World(tmp_path / "data")
    async with world.supervised():
        await world.proven()
        with pytest.raises(SupervisedElsewhere, match=rf"pid {os.getpid()}.*kill {os.getpid()}"):
            other.another().acquire()
        async with other.supervised() as second:
            await until(lambda: "already supervised" in second.status.reason, "a refusal")
            await world.litestream.stop()
            await other.proven()


async def test_a_long_data_path_gets_a_socket_elsewhere(tmp_path: Path) -> None:
    world = World(tmp_path / ("long" * 40) / "data")
    world.databases.write("main", "one")
    async with world.supervised():
        assert (await world.proven()).ok


async def test_a_supervisor_without_databases_waits_for_the_first(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    async with world.supervised() as litestream:
        await until(lambda: "no database" in litestream.status.reason, "a reason")
        world.databases.write("main", "one")
        await world.proven()


async def test_a_stop_is_bounded_when_the_process_does_not_answer(tmp_path: Path) -> None:
    world = World(tmp_path / "data", replica_stop_s=1.5)
    world.databases.write("main", "one")
    async with world.supervised() as litestream:
        await world.proven()
        os.kill(litestream.status.pid, signal.SIGSTOP)
        pid, began_s = litestream.status.pid, time.monotonic()
        await litestream.stop()
        assert time.monotonic() - began_s < 5
        assert not alive(pid)


async def test_litestream_opens_no_port(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    world.databases.write("main", "one")
    async with world.supervised() as litestream:
        await world.proven()
        process = Path(f"/proc/{litestream.status.pid}")
        sockets = {os.readlink(each) for each in (process / "fd").iterdir()}
        ports = [(process / "net" / kind).read_text().splitlines()[1:] for kind in ("tcp", "tcp6")]
        numbers = [line.split()[9] for line in chain.from_iterable(ports)]
        assert any(each.startswith("socket:") for each in sockets)
        assert [number for number in numbers if f"socket:[{number}]" in sockets] == []


async def test_a_restart_heals_a_litestream_that_lost_its_own_folder(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    world.databases.write("main", "one")
    async with world.supervised() as litestream:
        await world.proven()
        shutil.rmtree(tmp_path / "data/.main.db-litestream")
        world.databases.write("main", "two")
        outcome = await litestream.sync(world.databases.path(), 5)
        assert (outcome.ok, "500" in outcome.reason) == (False, True)
        await litestream.restart("the probe failed twice")
        await world.proven()
    assert world.restored("main", tmp_path / "restored.db") == ["one", "two"]


async def test_a_place_where_nothing_was_copied_yet_costs_no_second_copy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path / "data")
    world.databases.write("main", "one")
    await world.litestream.copy_anew("the replica is new")
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(world.litestream.run())
        await world.proven()
        await world.litestream.stop()
        await running
    assert "whole new copy" not in caplog.text
    assert world.restored("main", tmp_path / "restored.db") == ["one"]
