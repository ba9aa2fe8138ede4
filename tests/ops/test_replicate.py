"""`palaver replicate` as an operator runs it: a process of its own, that ends well, dies whole and refuses clearly."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chat.replication import LeaseReport
from ops.cli import app
from ops.restoring import locks
from ops.restoring.refusal import Refused
from ops.supervising.alongside import NOBODY, LitestreamAlongside
from ops.supervising.place import LitestreamPlace
from tests.ops.litestream_world import World, alive
from tests.support.replicate import EXIT_TIMEOUT_S, Replicate
from tests.support.signals import catches
from tests.support.waiting import until, until_awaited

START_TIMEOUT_S = 60.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "data")
    world.databases.write("main", "one")
    return world


@pytest.fixture
def replicate(world: World) -> Iterator[Replicate]:
    replicate = Replicate(world.databases.folder)
    yield replicate
    replicate.close()


@pytest.fixture
async def alongside(world: World) -> AsyncIterator[LitestreamAlongside]:
    async with looking(world) as alongside:
        yield alongside


@asynccontextmanager
async def looking(world: World) -> AsyncIterator[LitestreamAlongside]:
    """Look as a server alongside does."""

    async def look() -> str:
        return ""

    alongside = LitestreamAlongside(world.settings, look, LeaseReport(state="free"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(alongside.run())
        yield alongside
        await alongside.stop()


async def proven(alongside: LitestreamAlongside, world: World) -> None:
    """Wait, as a server alongside does, until all is on the replica."""

    async def synced() -> bool:
        return (await alongside.sync(world.databases.path(), 5)).ok

    await until_awaited(synced, "a sync", START_TIMEOUT_S)


async def test_ends_well_with_everything_on_the_replica(
    world: World, replicate: Replicate, alongside: LitestreamAlongside, tmp_path: Path
) -> None:
    await proven(alongside, world)
    world.databases.write("main", "two")
    child = replicate.child
    code, said = await asyncio.to_thread(replicate.end, signal.SIGTERM)
    assert code == 0, said
    assert f"replicates {world.databases.folder} to {world.databases.folder}/replica" in said
    assert not alive(child)
    assert world.restored("main", tmp_path / "restored.db") == ["one", "two"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_ends_as_asked_before_it_has_begun(replicate: Replicate, number: signal.Signals) -> None:
    await until(lambda: catches(replicate.process.pid, signal.SIGTERM), "the first code of ours")
    code, said = await asyncio.to_thread(replicate.end, number)
    assert (code, "Traceback" in said) == (0, False), said


async def test_leaves_no_orphan_when_it_is_killed_and_goes_on_after_it(
    world: World, replicate: Replicate, alongside: LitestreamAlongside, tmp_path: Path
) -> None:
    await proven(alongside, world)
    child = replicate.child
    assert alive(child)
    await asyncio.to_thread(replicate.end, signal.SIGKILL)
    await until(lambda: not alive(child), "the child's end")
    world.databases.write("main", "two")
    async with world.supervised():
        await world.proven()
    assert world.restored("main", tmp_path / "restored.db") == ["one", "two"]


async def test_a_server_alongside_sees_it_and_may_ask_for_a_fresh_process(
    world: World, replicate: Replicate, alongside: LitestreamAlongside
) -> None:
    await proven(alongside, world)
    status = await until(lambda: alongside.status if alongside.status.running else None, "a status")
    assert status.pid == replicate.child
    await alongside.restart("the probe failed twice")
    await until(lambda: replicate.child not in (0, status.pid), "another process")
    assert not (await alongside.sync(world.databases.folder / "other.db", 1)).ok
    await asyncio.to_thread(replicate.end, signal.SIGTERM)
    await until(lambda: alongside.status.reason == NOBODY, "its end")
    assert not alongside.status.running


async def test_a_server_alongside_is_told_who_may_copy_and_why_it_was_started_anew(
    world: World, replicate: Replicate, alongside: LitestreamAlongside
) -> None:
    assert (alongside.lease_report().state, alongside.status.reason) == ("free", NOBODY)
    await proven(alongside, world)
    assert (alongside.lease_report().state, alongside.refusal) == ("held", "")
    with (
        pytest.raises(Refused, match=f"pid {replicate.process.pid}.*systemctl stop palaver-replicate"),
        locks.held(world.databases.folder, ()),
    ):
        pass
    world.databases.write("persona_luna", "one")
    await until(lambda: alongside.status.restarts, "a fresh process")
    assert alongside.status.reason == "the set of files changed"
    await asyncio.to_thread(replicate.end, signal.SIGKILL)
    await until(lambda: not alongside.status.running, "its end")
    assert (alongside.lease_report().state, alongside.status.reason) == ("free", NOBODY)
    assert (await alongside.sync(world.databases.path(), 1)).reason == NOBODY


async def test_a_server_alongside_is_told_that_another_machine_has_the_place(
    world: World, replicate: Replicate, alongside: LitestreamAlongside, tmp_path: Path
) -> None:
    await proven(alongside, world)
    other = World(tmp_path / "other", replica=str(world.databases.folder / "replica"))
    other.databases.write("main", "another")
    second = Replicate(other.databases.folder, replica=other.settings.replica)
    try:
        async with looking(other) as looker:
            await until(lambda: looker.refusal, "a refusal", START_TIMEOUT_S)
            assert f"process {replicate.process.pid}" in looker.refusal
            assert "replicates to this place" in looker.refusal
            assert looker.lease_report().state == "others"
            assert (await looker.sync(other.databases.path(), 1)).reason == looker.refusal
    finally:
        second.close()


async def test_refuses_what_cannot_be(world: World, replicate: Replicate) -> None:
    await until(lambda: replicate.child, "a child", START_TIMEOUT_S)
    refused = {
        "is already supervised by the process with pid": Replicate(world.databases.folder),
        "PALAVER_REPLICA is off": Replicate(world.databases.folder, replica="off"),
        "PALAVER_REPLICA_SECRET_ACCESS_KEY": Replicate(
            world.databases.folder, replica="sftp://me:hidden@host/path"
        ),
    }
    for reason, other in refused.items():
        said = (await asyncio.to_thread(other.process.communicate, None, EXIT_TIMEOUT_S))[0]
        assert reason in said
        assert "Traceback" not in said
        assert "hidden" not in said
        assert other.process.returncode in (1, 2)


def test_a_whole_new_copy_is_asked_for_by_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALAVER_DATA", str(world.databases.folder))
    asked = CliRunner().invoke(app, ["replicate", "--anew", "main"])
    assert asked.exit_code == 0, asked.output
    assert list(LitestreamPlace(world.settings).wanted_whole()) == ["main.db"]
    for wrong, code in (("luna", 1), ("../main", 2)):
        refused = CliRunner().invoke(app, ["replicate", "--anew", wrong])
        assert refused.exit_code == code, refused.output
    assert list(LitestreamPlace(world.settings).wanted_whole()) == ["main.db"]
