"""A machine is lost and comes back from each kind of store that is not S3, with its real server."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chat.replication import REPLICATING
from chat.settings import Settings
from ops.doctor import StartRefused
from ops.drilling.drill import drill
from ops.drilling.record import PASS
from ops.restore_place import place_of
from ops.restore_start import fetch_missing, prepare
from ops.restoring.litestream import Litestream
from ops.restoring.refusal import Refused
from tests.ops.litestream_world import World
from tests.ops.restoring.replicated import query
from tests.support.other_stores import (
    PASSWORD,
    OtherStore,
    google,
    nats,
    sftp_by_key,
    sftp_by_password,
    webdav,
)
from tests.support.replicated import Replicated
from tests.support.rest import RestClient
from tests.support.waiting import until_awaited

Serve = Callable[[Path], Awaitable[OtherStore]]


@pytest.mark.parametrize(
    ("serve", "lease"),
    [(sftp_by_password, "none"), (nats, "none"), (webdav, "held")],
)
async def test_a_lost_machine_is_back_with_what_was_acked_as_replicated(
    serve: Serve, lease: str, tmp_path: Path
) -> None:
    store = await serve(tmp_path / "store")
    settings = Settings(data=str(tmp_path / "data"), **store.settings)  # type: ignore[arg-type]
    try:
        async with Replicated.start(tmp_path / "data", **store.settings) as operator:
            await operator.until_state(REPLICATING)
            assert (await operator.report()).lease.state == lease
            await say(operator, "hello")
            drilled = await asyncio.to_thread(drill, settings, lambda _text: None)
            assert drilled.outcome == PASS, drilled
            await keeps_the_password(operator)
            await operator.server.kill()
        shutil.rmtree(settings.data)
        Path(settings.data).mkdir()
        with pytest.raises(StartRefused, match=r"has copies of main\.db"):
            await asyncio.to_thread(prepare, settings, start_empty=False)
        await asyncio.to_thread(fetch_missing, settings, start_empty=False)
    finally:
        store.close()
    contents = query(
        Path(settings.data) / "main.db", "SELECT content FROM messages ORDER BY seq DESC LIMIT 1"
    )
    assert contents == [("hello",)]


async def say(operator: Replicated, content: str) -> None:
    """Send until a message is acked as replicated."""
    server = operator.server
    async with RestClient(server.url, server.token("alice")) as alice:
        conversation = await alice.create_conversation()

        async def sent() -> bool:
            ack = await alice.send(conversation, content, durability="replicated")
            return bool(ack["durability"] == "replicated")

        await until_awaited(sent, "a replicated ack")


async def keeps_the_password(operator: Replicated) -> None:
    """Look for it wherever others could read."""
    server, litestream = operator.server, (await operator.report()).litestream
    for pid in (server.pid, litestream.pid):
        assert PASSWORD.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    files = [server.log, *(file for file in server.data_dir.rglob("*") if file.is_file())]
    for spelling in (PASSWORD, PASSWORD.replace('"', '\\"')):
        assert [file for file in files if spelling.encode() in file.read_bytes()] == []


@pytest.mark.parametrize("serve", [google, sftp_by_key])
async def test_a_supervisor_copies_and_a_restore_reads(serve: Serve, tmp_path: Path) -> None:
    """Without a server: Google's emulator lacks what the lease asks for, and a key's file is only another way in."""
    store = await serve(tmp_path / "store")
    world = World(tmp_path / "data", **store.settings)
    world.databases.write("main", "one")
    try:
        async with world.supervised():
            await world.proven("main")
            world.databases.write("main", "two")
            await world.proven("main")
        copies = Litestream(place_of(world.settings), "main")
        restored = tmp_path / "restored.db"
        copies.restore(restored, None, len(copies.files()), lambda _bytes: None)
    finally:
        store.close()
    assert query(restored, "SELECT text FROM notes") == [("one",), ("two",)]


async def test_a_server_that_shows_another_key_is_told_nothing(tmp_path: Path) -> None:
    store, other = await sftp_by_password(tmp_path / "store"), await sftp_by_password(tmp_path / "other")
    mixed = {**store.settings, "replica_options": other.settings["replica_options"]}
    try:
        with pytest.raises(Refused, match="host key mismatch"):
            Litestream(place_of(Settings(**mixed)), "main").files()  # type: ignore[arg-type]
        assert Litestream(place_of(Settings(**store.settings)), "main").files() == []  # type: ignore[arg-type]
    finally:
        store.close()
        other.close()
