"""Drills against a real litestream: what passes, what fails, and what proves nothing."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chat.settings import Settings
from ops.drilling import drill as drilling
from ops.drilling.drill import drill
from ops.drilling.record import Drill
from ops.restore_place import place_of
from ops.restoring.place import Place
from tests.ops.restoring.replicated import UNCOMPACTED, Replicated, beat, place_in
from tests.support.files import connect
from tests.support.s3 import S3Server
from tests.support.stores import OpenStore


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return place_in(tmp_path)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[OpenStore]:
    async with OpenStore(place.data / "main.db") as opened:
        conversation = await opened.create("alice", "bob")
        for number in range(5):
            await opened.send("alice", conversation, f"key-{number}")
        yield opened


@pytest.fixture
def replicated(store: OpenStore, place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Replicated]:
    with Replicated(place, **UNCOMPACTED) as daemon:
        monkeypatch.setattr(drilling, "socket_of", lambda _settings: daemon._socket)
        yield daemon


def run(place: Place) -> Drill:
    return drill(Settings(data=str(place.data)), lambda _text: None)


def outcomes(found: Drill) -> list[tuple[str, str]]:
    return [(part.moment, part.outcome) for part in found.parts]


def replica_files(place: Place) -> set[Path]:
    return set((place.data / "replica" / "main").rglob("*.ltx"))


async def test_a_drill_passes_and_tells_lag_time_and_size(replicated: Replicated, place: Place) -> None:
    beaten_ms = beat(place.data / "main.db")

    found = run(place)

    assert (found.outcome, outcomes(found)) == ("pass", [("latest", "pass"), ("past", "pass")])
    latest = found.parts[0]
    assert latest.heartbeat_ms == beaten_ms
    assert (latest.events, latest.size_bytes > 0, found.lag_ms > 0, found.restore_ms > 0) == (
        5,
        True,
        True,
        True,
    )
    assert not list(place.restores.glob("temporary-*"))


async def test_the_past_is_of_before_what_came_after_it(
    store: OpenStore, replicated: Replicated, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await store.create("alice", "bob")
    replicated.sync()
    monkeypatch.setattr(drilling, "PAST_AGE_MS", 0)
    first = run(place)
    await store.send("alice", conversation, "later")

    second = run(place)

    assert second.outcome == "pass"
    assert second.parts[0].events == first.parts[0].events + 1
    assert second.parts[1].at_ms > first.parts[1].at_ms


async def test_a_replica_that_lost_a_part_fails(
    store: OpenStore, replicated: Replicated, place: Place
) -> None:
    """Litestream says that it has everything, and it was there: somebody took it away."""
    replicated.settle()
    whole = replica_files(place)
    conversation = await store.create("alice")
    replicated.sync()
    for file in replica_files(place) - whole:
        file.unlink()
    await store.send("alice", conversation, "after the hole")

    found = run(place)

    assert found.outcome == "fail"
    assert "Copies of main.db are missing: transactions" in found.parts[0].reason


async def test_a_copy_of_another_database_fails(replicated: Replicated, place: Place, tmp_path: Path) -> None:
    other = place_in(tmp_path / "other")
    async with OpenStore(other.data / "main.db") as stranger:
        conversation = await stranger.create("mallory")
        for number in range(20):
            await stranger.send("mallory", conversation, f"key-{number}")
        with Replicated(other):
            shutil.rmtree(place.data / "replica" / "main")
            shutil.copytree(other.data / "replica" / "main", place.data / "replica" / "main")

    found = run(place)

    assert found.outcome == "fail"
    assert "another past" in found.parts[0].reason


async def test_a_copy_that_says_something_else_fails(replicated: Replicated, place: Place) -> None:
    """Rows that change without an event: what a broken disk or a broken replica makes."""
    replicated.stop()
    with closing(connect(place.data / "main.db")) as connection:
        connection.execute("UPDATE messages SET content = 'other' WHERE seq = 2")

    found = run(place)

    assert found.outcome == "fail"
    assert "differs from the live database in messages: main:" in found.parts[0].reason
    replicated.start()


async def test_a_database_whose_promises_are_broken_fails(replicated: Replicated, place: Place) -> None:
    with closing(connect(place.data / "main.db")) as connection:
        connection.execute("UPDATE conversations SET last_seq = last_seq + 5")

    found = run(place)

    assert found.outcome == "fail"
    assert "dense" in found.parts[0].reason


async def test_with_nobody_to_copy_a_whole_replica_passes_and_one_behind_proves_nothing(
    store: OpenStore, replicated: Replicated, place: Place
) -> None:
    replicated.stop()
    whole = run(place)
    conversation = await store.create("alice")
    behind = run(place)

    assert (whole.outcome, whole.lag_ms) == ("pass", 0)
    assert outcomes(behind) == [("latest", "inconclusive"), ("past", "pass")]
    assert "lacks 1 of" in behind.parts[0].reason
    assert conversation
    replicated.start()


async def test_a_lost_database_is_proven_from_the_replica_alone(
    replicated: Replicated, place: Place, store: OpenStore
) -> None:
    replicated.stop()
    await store.store.close()
    for file in place.data.glob("main.db*"):
        file.unlink()
    (place.data / "main.db.noted").touch()

    found = run(place)

    assert outcomes(found) == [("latest", "pass"), ("past", "pass")]
    await store.store.open()
    replicated.start()


def test_a_replica_that_cannot_be_asked_proves_nothing(place: Place) -> None:
    from tests.support.files import make_file

    make_file(place.data / "main.db")
    settings = Settings(
        data=str(place.data),
        replica="s3://bucket/path",
        replica_endpoint="http://127.0.0.1:9",
        litestream="/nowhere",
    )

    found = drill(settings, lambda _text: None)

    assert outcomes(found) == [("latest", "inconclusive"), ("past", "inconclusive")]


def test_without_replication_or_databases_nothing_is_proven(tmp_path: Path) -> None:
    assert "is off" in drill(Settings(data=str(tmp_path), replica="off"), lambda _text: None).reason
    assert "no database" in drill(Settings(data=str(tmp_path)), lambda _text: None).reason


async def test_a_drill_over_s3_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = await S3Server.start(tmp_path / "s3")
    try:
        settings = Settings.from_environment({**s3.environment(), "PALAVER_DATA": str(tmp_path / "data")})
        place = place_of(settings)
        place.data.mkdir()
        async with OpenStore(place.data / "main.db") as store:
            await store.create("alice", "bob")
            with Replicated(place) as daemon:
                monkeypatch.setattr(drilling, "socket_of", lambda _settings: daemon._socket)
                found = drill(settings, lambda _text: None)
    finally:
        s3.close()

    assert (found.outcome, outcomes(found)) == ("pass", [("latest", "pass"), ("past", "pass")])
    assert found.lag_ms > 0
