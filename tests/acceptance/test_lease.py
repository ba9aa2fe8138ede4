"""The lease on real stores: one that heeds conditions, and one that does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chat.settings import BadSetting, Settings
from ops.leasing.lease import HELD, LOST, OTHERS, Lease
from ops.leasing.lease_object import NAME, LeaseObject, ObjectFailed
from ops.leasing.place import lease_object, names_at
from tests.support.lease_object import holder
from tests.support.other_stores import conditional_webdav, webdav
from tests.support.s3 import S3Server
from tests.support.waiting import until_awaited
from tests.support.weed import WeedServer

TTL_S = 0.6
# WsgiDAV tells two states of a file apart that are of different seconds.
TAGGED_S = 1.1
HELD_TIMEOUT_S = 60.0


@pytest.fixture
async def weed(tmp_path: Path) -> AsyncIterator[WeedServer]:
    server = await WeedServer.start(tmp_path / "weed")
    yield server
    server.close()


@pytest.fixture
async def s3(tmp_path: Path) -> AsyncIterator[S3Server]:
    server = await S3Server.start(tmp_path / "s3")
    yield server
    server.close()


def object_of(settings: Any) -> LeaseObject:
    found = lease_object(Settings(**settings))
    assert found is not None
    return found


async def until_held(lease: Lease) -> None:
    """Try until the lease is had: a store's very first write takes it longer than a lease waits."""

    async def held() -> bool:
        await lease.check()
        return lease.state == HELD

    await until_awaited(held, "the lease", HELD_TIMEOUT_S)


async def two_machines(first: Lease, second: Lease) -> None:
    """Let one take the lease, keep the other out, then let it be silent, be replaced, and hear of it."""
    await until_held(first)
    await second.check()
    assert (first.state, second.state) == (HELD, OTHERS)
    await first.check()

    await until_held(second)
    await first.check()
    assert (first.state, second.state) == (LOST, HELD)


async def test_a_store_that_heeds_conditions_holds_a_strong_lease(weed: WeedServer) -> None:
    first, second = (
        Lease(object_of(weed.settings()), holder(host), ttl_s=TTL_S) for host in ("anna", "bert")
    )

    await two_machines(first, second)

    assert not first.weak
    assert not second.weak


async def test_a_store_that_ignores_conditions_holds_a_weak_lease(s3: S3Server) -> None:
    first, second = (
        Lease(object_of(s3.settings()), holder(host), ttl_s=TTL_S, read_back_after_s=0.05)
        for host in ("anna", "bert")
    )

    await two_machines(first, second)

    assert first.weak
    assert second.weak


async def test_a_webdav_server_that_heeds_conditions_holds_a_strong_lease(tmp_path: Path) -> None:
    store = conditional_webdav(tmp_path / "served")
    try:
        first, second = (
            Lease(object_of(store.settings), holder(host), ttl_s=TAGGED_S) for host in ("anna", "bert")
        )
        await two_machines(first, second)
        assert names_at(Settings(**store.settings)) == [NAME]  # type: ignore[arg-type]
        wrong = Settings(**{**store.settings, "replica_secret_access_key": "wrong"})  # type: ignore[arg-type]
        with pytest.raises(ObjectFailed, match="401"):
            names_at(wrong)
    finally:
        store.close()
    with pytest.raises(ObjectFailed, match=r"^[^\n]+$"):
        await object_of(store.settings).read()
    assert not first.weak
    assert not second.weak


async def test_a_webdav_server_that_ignores_conditions_holds_a_weak_lease(tmp_path: Path) -> None:
    store = await webdav(tmp_path / "store")
    try:
        first, second = (
            Lease(object_of(store.settings), holder(host), ttl_s=TTL_S, read_back_after_s=0.05)
            for host in ("anna", "bert")
        )
        assert names_at(Settings(**store.settings)) == []  # type: ignore[arg-type]
        await two_machines(first, second)
    finally:
        store.close()
    assert first.weak
    assert second.weak


async def test_what_the_store_says_is_told_in_one_line(s3: S3Server) -> None:
    stored = object_of(s3.settings())
    await s3.deny()
    with pytest.raises(ObjectFailed, match="403 Forbidden, InvalidAccessKeyId"):
        await stored.read()
    await s3.allow()
    with pytest.raises(ObjectFailed, match="NoSuchBucket"):
        await object_of(s3.settings() | {"replica": "s3://mistyped/chat"}).read()
    s3.kill()
    with pytest.raises(ObjectFailed, match=r"^[^\n]+$"):
        await stored.create(b"")


@pytest.mark.parametrize("replica", ["sftp://me@host/path", "nats://host/bucket", "oss://bucket/path"])
def test_what_no_client_here_reaches_has_no_lease(replica: str) -> None:
    assert lease_object(Settings(replica=replica)) is None


@pytest.mark.parametrize("replica", ["gs://bucket/path", "abs://account@container/path", "s3://bucket"])
def test_every_store_with_conditions_has_one(replica: str) -> None:
    settings = Settings(replica=replica, replica_secret_access_key="c2VjcmV0", replica_access_key_id="id")
    assert lease_object(settings) is not None


@pytest.mark.parametrize(
    ("replica", "variables", "reason"),
    [
        ("abs://account@container", "", "Invalid Access Key"),
        ("gs://bucket", "GOOGLE_APPLICATION_CREDENTIALS=/no/such/file", "No such file"),
        ("webdavs://host/path", "SSL_CERT_FILE=/no/such/file", "No such file"),
    ],
)
def test_keys_that_can_be_none_are_a_bad_setting(replica: str, variables: str, reason: str) -> None:
    settings = Settings(
        replica=replica, replica_environment=variables, replica_secret_access_key="no base64!"
    )
    with pytest.raises(BadSetting, match=reason) as refused:
        lease_object(settings)
    assert "base64!" not in str(refused.value)
    assert "\n" not in str(refused.value)
