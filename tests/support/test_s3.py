"""The S3 server of the tests keeps what it is given, and is down, frozen, denying or read-only when it is told so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from tests.support.s3 import BUCKET, KEY_ID, REGION, SECRET, S3Server

TIMEOUT = timedelta(seconds=2)


@pytest.fixture
async def s3(tmp_path: Path) -> AsyncIterator[S3Server]:
    server = await S3Server.start(tmp_path / "s3")
    yield server
    server.close()


def client(server: S3Server) -> S3Store:
    return S3Store(
        BUCKET,
        endpoint=server.endpoint,
        region=REGION,
        access_key_id=KEY_ID,
        secret_access_key=SECRET,
        client_options={"allow_http": True, "timeout": TIMEOUT},
        retry_config={"max_retries": 0},
    )


async def test_keeps_objects_as_files_over_a_restart(s3: S3Server) -> None:
    await obstore.put_async(client(s3), "chat/one", b"here")
    await s3.restart()
    got = await obstore.get_async(client(s3), "chat/one")
    assert bytes(await got.bytes_async()) == b"here"
    assert s3.objects("chat") == [s3.bucket / "chat/one"]


async def test_refuses_or_leaves_waiting_as_it_is_told(s3: S3Server) -> None:
    async def put() -> None:
        await obstore.put_async(client(s3), "chat/one", b"here")

    s3.freeze()
    with pytest.raises(obstore.exceptions.BaseError, match=r"timed? ?out"):
        await put()
    s3.thaw()
    await put()
    await s3.deny()
    with pytest.raises(obstore.exceptions.PermissionDeniedError):
        await put()
    await s3.allow()
    await put()
    await s3.refuse_writes()
    with pytest.raises(obstore.exceptions.BaseError):
        await put()
    s3.kill()
    with pytest.raises(obstore.exceptions.BaseError):
        await put()
