"""The disk fails under a storm: no ack for what is not stored, reads go on, it mends without a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest

from tests.faults import disks
from tests.faults.ledger import Identity
from tests.faults.stored import read_generations
from tests.faults.storm import FEW, Storm
from tests.support.rest import RestClient
from tests.support.server import Server
from tests.support.waiting import until_awaited

DISK_MIB = 64
NOTICED_S = 20.0
MENDED_S = 20.0


@pytest.fixture
async def small_disk_storm(tmp_path: Path, seed: int) -> AsyncIterator[Storm]:
    """A storm over a server whose data has a small disk of its own."""
    with disks.small_disk(tmp_path / "disk", DISK_MIB) as disk:
        server = await Server.start(disk / "data")
        storm = Storm(server, seed, FEW)
        try:
            await storm.begin()
            yield storm
        finally:
            await storm.leave()
            await server.close()


async def test_a_full_disk_turns_writing_off_until_there_is_room(small_disk_storm: Storm) -> None:
    disk = small_disk_storm.server.data_dir.parent
    await survives(small_disk_storm, disks.full(disk))


async def test_files_that_may_not_grow_turn_writing_off_until_they_may(small_storm: Storm) -> None:
    size_bytes = wal(small_storm).stat().st_size
    await survives(small_storm, disks.file_size_limit(small_storm.server.pid, size_bytes))


async def test_files_that_nobody_may_write_turn_writing_off_until_they_may_be_written(
    small_storm: Storm,
) -> None:
    await survives(small_storm, disks.immutable(small_storm.database, wal(small_storm)))


async def test_a_database_file_that_is_gone_turns_writing_off_until_it_is_back(small_storm: Storm) -> None:
    await survives(small_storm, disks.moved_away(small_storm.database))


async def test_a_failed_fsync_is_never_acknowledged_and_is_followed_by_a_new_opening(
    small_storm: Storm,
) -> None:
    openings = len(read_generations(small_storm.database))
    await survives(small_storm, disks.failing_fsync(small_storm.server.pid))
    assert len(read_generations(small_storm.database)) > openings


async def test_without_full_synchronous_a_failing_fsync_goes_unnoticed(tmp_path: Path, seed: int) -> None:
    """The control: it is the fsync before each acknowledgement that the test above sees."""
    server = await Server.start(tmp_path / "data", synchronous="normal")
    storm = Storm(server, seed, FEW)
    try:
        await storm.begin()
        with disks.failing_fsync(server.pid):
            await storm.heard(FEW)
    finally:
        await storm.leave()
        await server.close()


async def survives(storm: Storm, trouble: AbstractContextManager[None]) -> None:
    """Bring the trouble over the storm, look at what is promised, take it away, and check everything."""
    pid = storm.server.pid
    person = storm.people[0].name
    async with RestClient(storm.server.url, storm.server.token(person)) as rest:
        with trouble:
            assert await until_awaited(lambda: refusal(rest), "/readyz to say why it refuses", NOTICED_S)
            await storm.quiet()
            await reads_go_on(storm, rest)
            await a_send_is_told_to_try_again(storm, rest)
        await until_awaited(lambda: accepts(rest), "/readyz to accept", MENDED_S)
        await the_same_send_is_taken(storm, rest)
    await storm.all_back()
    await storm.end()
    assert storm.server.pid == pid
    await storm.server.kill()
    storm.check()
    assert storm.verdict() == []


async def reads_go_on(storm: Storm, rest: RestClient) -> None:
    """See that pages and events are answered, and that the process counts as alive."""
    conversation = storm.conversations[0]
    assert (await rest.page(conversation, limit=1))["items"]
    assert await rest.events(conversation)
    assert (await rest.http.get("/livez")).status_code == httpx2.codes.OK


async def a_send_is_told_to_try_again(storm: Storm, rest: RestClient) -> None:
    """See that a send is refused as temporary."""
    identity = in_trouble(storm)
    storm.ledger.sent(identity, identity.key)
    draft = {"client_message_id": identity.key, "content": identity.key}
    refused = await rest.http.post(f"/v1/conversations/{identity.conversation}/messages", json=draft)
    assert refused.status_code == httpx2.codes.SERVICE_UNAVAILABLE, refused.text
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert "Retry-After" in refused.headers


async def the_same_send_is_taken(storm: Storm, rest: RestClient) -> None:
    """See that the refused send is taken once the trouble is over."""
    identity = in_trouble(storm)
    storm.ledger.acked(identity, await rest.send(identity.conversation, identity.key, identity.key))


def in_trouble(storm: Storm) -> Identity:
    """Name the message that is sent while nothing can be written."""
    return Identity(storm.conversations[0], storm.people[0].name, "sent in trouble")


async def refusal(rest: RestClient) -> str:
    """Return why /readyz refuses, nothing while it does not."""
    answer = await rest.ready()
    return answer.text if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE else ""


async def accepts(rest: RestClient) -> bool:
    """Tell whether /readyz accepts."""
    return (await rest.ready()).status_code == httpx2.codes.OK


def wal(storm: Storm) -> Path:
    """Return the database's write-ahead log."""
    return storm.database.with_name(storm.database.name + "-wal")
