"""Files that come, go, come again and are replaced under a running litestream: a restore always equals the source."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from ops.supervising.control_socket import LitestreamSocket
from storage.engine import sqlite3
from tests.ops.litestream_world import World, inode
from tests.support.waiting import until


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "data")
    world.databases.write("main", "main's")
    world.databases.write("persona_luna", "first", "second")
    return world


async def test_a_new_file_is_taken_in(world: World, tmp_path: Path) -> None:
    async with world.supervised() as litestream:
        await world.proven("main")
        world.databases.write("persona_sol", "new")
        await world.proven("persona_sol")
        assert litestream.status.restarts == 1
        assert world.restored("persona_sol", tmp_path / "restored.db") == ["new"]
        assert world.restored("persona_luna", tmp_path / "restored.db") == ["first", "second"]


async def test_a_deleted_file_is_let_go_and_one_of_its_name_is_copied_whole(
    world: World, tmp_path: Path
) -> None:
    path = world.databases.path("persona_luna")
    async with world.supervised() as litestream:
        await world.proven("persona_luna")
        world.databases.delete("persona_luna")
        await until(lambda: str(path) not in litestream.status.files, "the file let go")
        assert not (await litestream.sync(path, 1)).ok
        world.databases.write("persona_luna", "another life")
        await world.proven("persona_luna")
        world.databases.write("persona_luna", "goes on")
        await world.proven("persona_luna")
        assert world.restored("persona_luna", tmp_path / "restored.db") == ["another life", "goes on"]


async def test_a_file_made_anew_in_the_same_instant_is_noticed(world: World, tmp_path: Path) -> None:
    async with world.supervised() as litestream:
        await world.proven("persona_luna")
        before = inode(world.databases.path("persona_luna"))
        world.databases.delete("persona_luna")
        world.databases.write("persona_luna", "another life")
        # A file system likes to give the number of a deleted file to the next one; while it is held, it cannot.
        assert inode(world.databases.path("persona_luna")) != before
        assert not (await litestream.sync(world.databases.path("persona_luna"), 1)).ok
        await world.proven("persona_luna")
        assert world.restored("persona_luna", tmp_path / "restored.db") == ["another life"]


async def test_a_file_renamed_over_another_does_not_spoil_the_replica(world: World, tmp_path: Path) -> None:
    many = [f"row {number}" for number in range(2000)]
    async with world.supervised() as litestream:
        await world.proven("persona_luna")
        world.databases.replace("persona_luna", *many)
        assert not (await litestream.sync(world.databases.path("persona_luna"), 1)).ok
        await world.proven("persona_luna")
        world.databases.write("persona_luna", "goes on")
        await world.proven("persona_luna")
        assert world.restored("persona_luna", tmp_path / "restored.db") == [*many, "goes on"]
        assert world.restored("main", tmp_path / "restored.db") == ["main's"]


async def test_a_file_replaced_while_nobody_supervised_is_replicated_as_it_is(
    world: World, tmp_path: Path
) -> None:
    async with world.supervised():
        await world.proven("persona_luna")
    world.databases.replace("persona_luna", "from a backup")
    async with world.supervised() as litestream:
        assert litestream.status.copying == ()
        await world.proven("persona_luna")
        assert world.restored("persona_luna", tmp_path / "restored.db") == ["from a backup"]


async def test_a_file_replaced_under_a_supervisor_that_died_is_copied_whole(
    world: World, tmp_path: Path
) -> None:
    async with world.supervised():
        await world.proven("persona_luna")
    note = tmp_path / "data/litestream/files.json"
    note.write_text(note.read_text().replace('"clean":true', '"clean":false'))
    world.databases.replace("persona_luna", "from a backup")
    async with world.supervised():
        await until(lambda: world.litestream.status.copying, "a whole copy")
        await world.proven("persona_luna")
        assert world.restored("persona_luna", tmp_path / "restored.db") == ["from a backup"]


async def test_past_the_supervisor_a_renamed_file_is_proven_and_lost(world: World, tmp_path: Path) -> None:
    """The control: the danger is real, and it is the supervisor that averts it."""
    path = world.databases.path("persona_luna")
    world.databases.write("persona_luna", *[f"before {number}" for number in range(3000)])
    async with world.supervised() as litestream:
        await world.proven("persona_luna")
        world.databases.replace("persona_luna", *[f"after {number}" for number in range(3000)])
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("INSERT INTO notes VALUES ('committed')")
            connection.commit()
            past = LitestreamSocket(tmp_path / "data/litestream/socket")
            assert (await past.sync(path, 10)).ok
            await past.close()
            assert not (await litestream.sync(path, 10)).ok
        with pytest.raises((subprocess.CalledProcessError, AssertionError)):
            assert world.restored("persona_luna", tmp_path / "restored.db") == world.databases.rows(
                "persona_luna"
            )
