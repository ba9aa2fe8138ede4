"""Held connections: their tuning, what is private in the libraries beneath them, and the limits of reading."""

from __future__ import annotations

import asyncio
import inspect
import logging
from pathlib import Path

import aiosqlite
import databases
import pytest

from chat.errors import TooManyRequests, Unavailable
from chat.observer import NullObserver
from chat.settings import Settings
from chat.store import StoreFailed
from storage.connection import HeldConnection, Readers
from storage.tuning import Tuning
from tests.support.stores import OpenStore

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
WANTED = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "busy_timeout": 5000,
    "temp_store": 2,
    "mmap_size": 0,
    "cache_size": -8192,
    "journal_size_limit": 64 * 1024 * 1024,
    "wal_autocheckpoint": 0,
    "query_only": 0,
}


def test_what_is_private_in_the_libraries_is_still_there() -> None:
    assert aiosqlite.__version__.startswith("0.22.")
    assert databases.__version__.startswith("0.9.")
    assert list(inspect.signature(aiosqlite.Connection._execute).parameters) == [
        "self",
        "fn",
        "args",
        "kwargs",
    ]
    assert isinstance(aiosqlite.Connection._conn, property)


async def test_every_connection_is_tuned_when_it_is_made(tmp_path: Path) -> None:
    connection = await HeldConnection.open(tmp_path / "a.db", Tuning.of(Settings()))
    found = await connection.run(
        lambda raw: {name: raw.execute(f"PRAGMA {name}").fetchone()[0] for name in WANTED}
    )
    assert found == WANTED
    await connection.close()


@pytest.mark.parametrize(("replica", "pages"), [("", 0), ("s3://bucket/here", 0), ("off", 10_000)])
def test_who_is_replicated_leaves_checkpoints_to_litestream(replica: str, pages: int) -> None:
    assert Tuning.of(Settings(replica=replica)).wal_autocheckpoint_pages == pages


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    connection = await HeldConnection.open(tmp_path / "a.db", Tuning.of(Settings(), query_only=True))
    with pytest.raises(Exception, match="readonly"):
        await connection.run(lambda raw: raw.execute("CREATE TABLE t (a)"))
    await connection.close()


@pytest.mark.parametrize("name", ["a b.db", "ü#?%20;&=.db", "a'b\".db"])
async def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    connection = await HeldConnection.open(tmp_path / name, Tuning.of(Settings()))
    await connection.run(lambda raw: raw.execute("CREATE TABLE t (a)"))
    await connection.close()
    assert (tmp_path / name).exists()


async def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match=r"a\.db cannot be opened"):
        await HeldConnection.open(tmp_path / "missing" / "a.db", Tuning.of(Settings()))


async def test_a_statement_that_runs_too_long_is_ended(store: OpenStore) -> None:
    readers = Readers(store.path, Settings(readers=1, read_timeout_s=0.2), NullObserver())
    await readers.open()
    with pytest.raises(Unavailable):
        async with readers.snapshot() as reader:
            await reader.run(lambda raw: raw.execute(ENDLESS).fetchone())
    async with readers.snapshot() as reader:
        assert await reader.fetch_one("users", "find", id="nobody") is None
    await readers.close()


async def test_a_forgotten_transaction_is_ended(store: OpenStore) -> None:
    readers = Readers(store.path, Settings(readers=1, read_timeout_s=0.2), NullObserver())
    await readers.open()
    with pytest.raises(Unavailable):
        async with readers.snapshot():
            await asyncio.Event().wait()
    async with readers.snapshot() as reader:
        assert await reader.run(lambda raw: raw.in_transaction)
    await readers.close()


async def test_who_waits_too_long_for_a_reader_is_refused(store: OpenStore) -> None:
    readers = Readers(store.path, Settings(readers=1, reader_wait_s=0.1), NullObserver())
    await readers.open()
    async with readers.snapshot():
        with pytest.raises(TooManyRequests):
            async with readers.snapshot():
                raise AssertionError("there is only one reader")
    await readers.close()


@pytest.mark.parametrize("turns", range(1, 12))
async def test_a_read_that_is_cancelled_leaves_its_connection_fit_for_the_next(
    tmp_path: Path, turns: int
) -> None:
    async with OpenStore(tmp_path / "main.db", Settings(readers=1)) as opened:
        conversation_id = await opened.create("alice")
        read = asyncio.create_task(opened.recover("alice", conversation_id, "", 0))
        for _ in range(turns):
            await asyncio.sleep(0)
        read.cancel()
        await asyncio.wait([read])
        assert (await opened.recover("alice", conversation_id, "", 0)).recovered


async def test_all_reads_of_a_snapshot_see_one_moment(store: OpenStore) -> None:
    readers = Readers(store.path, Settings(), NullObserver())
    await readers.open()
    async with readers.snapshot() as reader:
        assert await reader.fetch_one("users", "find", id="alice") is None
        await store.create("alice")
        assert await reader.fetch_one("users", "find", id="alice") is None
    async with readers.snapshot() as reader:
        assert await reader.fetch_one("users", "find", id="alice") is not None
    await readers.close()


async def test_a_slow_query_is_logged_short_and_without_bodies(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with OpenStore(tmp_path / "main.db", Settings(slow_query_ms=1)) as store:
        connection = await HeldConnection.open(store.path, Tuning.of(Settings(slow_query_ms=1)))
        connection._slow_s = 1e-9
        with caplog.at_level(logging.WARNING, "palaver.storage"):
            await connection.fetch_all("users", "find", id="x" * 500)
        record = caplog.records[-1]
        assert record.message == "slow query"
        assert record.statement == "SELECT number FROM users WHERE id = :id"  # type: ignore[attr-defined]
        assert len(record.parameters) == 100  # type: ignore[attr-defined]
        await connection.close()
