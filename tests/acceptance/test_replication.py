"""A real server with the real Litestream, seen by its operator: well, in trouble, and beside another machine."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from chat.replication import DOWN, REFUSED, REPLICATING, STARTING
from ops.drilling.record import PASS, Drill, History
from tests.support.replicate import Replicate
from tests.support.replicated import Replicated
from tests.support.server import Server, palaver

EXIT_UNWELL = 1
EXIT_NOT_RUNNING = 75


async def status(server: Server, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `palaver status` beside a server."""
    return await asyncio.to_thread(
        subprocess.run,
        palaver("status", *options),
        env=server.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def objects(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.ltx") if path.is_file()]


async def test_without_any_setting_commits_are_copied_to_a_folder_and_everything_says_so(
    tmp_path: Path,
) -> None:
    async with Replicated.start(tmp_path / "data") as server:
        await server.until_state(REPLICATING)
        report, (code, health), metrics = await server.report(), await server.health(), await server.metrics()
        told, as_json = await status(server.server), await status(server.server, "--json")

        assert objects(tmp_path / "data" / "replica" / "main")
        assert (code, health.status) == (200, "ok")
        assert "replication of main" in [part.part for part in health.parts]
        assert (report.lease.state, report.lease.weak) == ("held", False)
        assert 'palaver_replication_state{file="main.db",state="replicating"} 1.0' in metrics
        assert "palaver_replication_lease_held 1.0" in metrics
        assert told.returncode == 0
        assert "replicating" in told.stdout
        assert health.last_verified_restore_ms == 0
        assert "No restore was verified yet" in told.stdout
        said: dict[str, Any] = msgspec.json.decode(as_json.stdout)
        assert said["replication"]["files"][0]["state"] == REPLICATING
        assert f"Every commit is copied to {tmp_path / 'data' / 'replica'}" in server.server.tail(200_000)
        await a_drill_is_seen_at_once(server)
        code = await server.server.terminate()
        assert code == 0
        ended = await status(server.server)
        assert ended.returncode == EXIT_NOT_RUNNING
        assert "palaver serve" in ended.stderr


def verified_s(metrics: str) -> float:
    """Read when the last drill that passed began, in Unix seconds."""
    (value,) = re.findall(r"^palaver_last_verified_restore_timestamp_seconds (\S+)$", metrics, re.MULTILINE)
    return float(value)


async def a_drill_is_seen_at_once(server: Replicated) -> None:
    """Let the last drill that passed be too old, and drill: the server that runs tells of both without a restart."""
    history, old_ms = History(server.server.data_dir), 1_700_000_000_000
    history.add(Drill(began_ms=old_ms, took_ms=1, outcome=PASS, version="1", parts=()))
    assert verified_s(await server.metrics()) == old_ms / 1000
    _, health = await server.health()
    (part,) = [part for part in health.parts if part.part == "restore drill"]
    assert (health.status, part.ok, "no drill has passed" in part.reason) == ("degraded", False, True)
    assert health.last_verified_restore_ms == old_ms

    drilled = await asyncio.to_thread(
        subprocess.run,
        palaver("drill", "--json"),
        env=server.server.environment(),
        capture_output=True,
        check=False,
    )

    assert drilled.returncode == 0, drilled.stdout
    newest = history.drills()[-1]
    assert verified_s(await server.metrics()) == newest.began_ms / 1000
    health = (await server.health())[1]
    assert (health.status, health.last_verified_restore_ms) == ("ok", newest.began_ms)
    told, as_json = await status(server.server), await status(server.server, "--json")
    assert "The last restore was verified " in told.stdout
    assert msgspec.json.decode(as_json.stdout)["last_verified_restore_ms"] == newest.began_ms


async def test_with_replication_off_nothing_is_copied_and_that_is_said(tmp_path: Path) -> None:
    async with Replicated.start(tmp_path / "data", replica="off") as server:
        report, told = await server.report(), await status(server.server)

        assert not report.on
        assert told.returncode == 0
        assert "Nothing is replicated" in told.stdout
        assert "PALAVER_REPLICA=off" in server.server.tail(200_000)
        assert not (tmp_path / "data" / "replica").exists()


async def test_without_a_usable_litestream_the_chat_goes_on_and_the_reason_is_told(tmp_path: Path) -> None:
    old = tmp_path / "litestream"
    old.write_text("#!/bin/sh\necho 0.5.16\n")
    old.chmod(0o755)
    async with Replicated.start(tmp_path / "data", litestream=old) as server, server.talking():
        assert (await server.main()).state == STARTING

        replica = await server.until_state(DOWN, reason="0.5.16")
        told = await status(server.server)

        assert "0.5.17" in replica.reason
        assert (await server.health())[1].status == "degraded"
        assert told.returncode == EXIT_UNWELL
        assert "0.5.16" in told.stdout.replace("\n", " ")


async def test_a_second_machine_is_refused_until_the_first_gives_the_place_back(tmp_path: Path) -> None:
    place = tmp_path / "shared"
    async with (
        Replicated.start(tmp_path / "first", replica=place) as first,
        Replicated.start(
            tmp_path / "second", command=palaver("serve", "--start-empty"), replica=place
        ) as second,
        second.talking(),
    ):
        await first.until_state(REPLICATING)
        refused = await second.until_state(REFUSED)
        assert f"process {first.server.pid}" in refused.reason
        assert (await second.report()).litestream.pid == 0

        await first.server.terminate()
        await second.until_state(REPLICATING)


async def test_a_server_tells_what_replicates_beside_it_as_if_it_were_its_own(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"replica": tmp_path / "shared", "replicate": "alongside"}
    start_empty = palaver("serve", "--start-empty")
    async with (
        Replicated.start(tmp_path / "first", **settings) as first,
        Replicated.start(tmp_path / "second", command=start_empty, **settings) as second,
    ):
        await first.until_state(DOWN, reason="palaver replicate does not run")
        beside_first = Replicate(tmp_path / "first", **settings)
        try:
            await first.until_state(REPLICATING)
            told, metrics = await status(first.server), await first.metrics()
            assert (told.returncode, "lease" in told.stdout, "started anew" in told.stdout) == (
                0,
                False,
                False,
            )
            assert "palaver_replication_lease_held 1.0" in metrics
            beside_second = Replicate(tmp_path / "second", **settings)
            try:
                refused = await second.until_state(REFUSED)
                assert f"process {beside_first.process.pid} " in refused.reason
                assert (await second.report()).lease.state == "others"
                beside_first.close()
                await second.until_state(REPLICATING)
                await first.until_state(DOWN, reason="palaver replicate does not run")
            finally:
                beside_second.close()
        finally:
            beside_first.close()
