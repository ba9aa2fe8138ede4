"""A server and a restore: refused while it runs, seen by clients after it, finished at the start when it was killed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ops.restoring import intent, moment
from ops.restoring.inplace import restore_in_place
from ops.restoring.place import Place
from tests.ops.restoring.replicated import Replicated, place_in
from tests.support.rest import RestClient
from tests.support.server import Server, palaver


async def test_a_served_chat_goes_back_in_time_and_its_clients_are_told(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    server = await Server.start(place.data)
    try:
        async with RestClient(server.url, server.token("alice")) as alice:
            conversation = await alice.create_conversation("bob")
            first = await alice.send(conversation, "kept")
            with Replicated(place) as replicated:
                between_ms = replicated.sync()
                await alice.send(conversation, "rewound")
                replicated.sync()
                refused = restore(server, between_ms)
                assert refused.returncode == 1
                assert f"pid {server.pid}" in refused.stderr
                await server.terminate()
        begun = stopped_in_the_swap(server, tmp_path / "twin")
        done = restore(server, between_ms)
        assert done.returncode == 0, done.stderr
        await server.launch()
        async with RestClient(server.url, server.token("alice")) as alice:
            assert [each["content"] for each in await alice.messages(conversation)] == ["kept"]
            again = await alice.send(conversation, "new")
            assert again["epoch"] != first["epoch"]
        await server.terminate()
        await started_over(begun, conversation)
    finally:
        await server.close()


def restore(server: Server, at_ms: int) -> subprocess.CompletedProcess[str]:
    """Restore in place, as an operator's script does."""
    return subprocess.run(
        palaver("restore", "--at", moment.iso(at_ms), "--in-place", "--yes", "--json"),
        env=server.environment() | {"PALAVER_REPLICA": str(server.data_dir / "replica")},
        capture_output=True,
        text=True,
        check=False,
    )


class Stopped(Exception):
    """Ends a restore where a power cut would."""


def stopped_in_the_swap(server: Server, folder: Path) -> Path:
    """Make a copy of the data folder and leave it in the middle of a swap."""
    shutil.copytree(server.data_dir, folder)

    def step(done: str) -> None:
        if done == "main.db is aside":
            raise Stopped

    with pytest.raises(Stopped):
        restore_in_place(Place(data=folder), ["main.db"], None, lambda _: True, cause="a test", step=step)
    return folder


async def started_over(folder: Path, conversation: str) -> None:
    """Start a server on a folder whose swap was interrupted: it is finished, and serves what was restored."""
    assert (folder / intent.NAME).exists()
    other = await Server.start(folder)
    try:
        assert not (folder / intent.NAME).exists()
        assert "was interrupted; it is finished now" in other.tail()
        async with RestClient(other.url, other.token("alice")) as alice:
            found = [each["content"] for each in await alice.messages(conversation)]
            assert found == ["kept", "rewound"]
    finally:
        await other.close()
