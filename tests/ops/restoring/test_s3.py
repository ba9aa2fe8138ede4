"""Restores from an S3 store, and what becomes of them when it is wrong, refuses or is down."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from chat.settings import Settings
from ops.doctor import StartRefused
from ops.restore_listing import listed_place_of
from ops.restore_start import prepare
from ops.restoring.inplace import restore_in_place
from ops.restoring.missing import refuse_empty
from ops.restoring.place import Place, known_files, unlisted
from ops.restoring.refusal import Refused
from tests.ops.restoring.replicated import Replicated, query
from tests.support.s3 import SECRET, S3Server
from tests.support.stores import OpenStore

FILES = ("main.db", "persona_luna.db")
KEYS = "SELECT client_message_id FROM messages ORDER BY rowid"
ASK_TIMEOUT_S = 1.0


@pytest.fixture
async def s3(tmp_path: Path) -> AsyncIterator[S3Server]:
    server = await S3Server.start(tmp_path / "s3")
    yield server
    server.close()


async def test_a_lost_machine_is_back_from_s3_at_one_moment_for_all_files(
    s3: S3Server, tmp_path: Path
) -> None:
    place = Place.of({**s3.environment(), "PALAVER_DATA": str(tmp_path / "data")})
    place.data.mkdir()
    at_ms = await written(place)
    shutil.rmtree(place.data)
    place.data.mkdir()
    settings = Settings.from_environment({**s3.environment(), "PALAVER_DATA": str(place.data)})
    with pytest.raises(StartRefused, match=r"s3://palaver/chat has copies of main.db, persona_luna.db"):
        prepare(settings, start_empty=False)
    assert "only main.db is looked for" in unlisted(place)
    listed = listed_place_of(settings)
    assert (known_files(listed), unlisted(listed)) == ([*FILES], "")
    with pytest.raises(Refused, match=r"has copies of main\.db"):
        refuse_empty(replace(listed, found=()))  # as a store says that forgets folders
    outcome = restore_in_place(listed, known_files(listed), at_ms, lambda _: True, cause="a test")
    assert [query(place.data / file, KEYS) for file in FILES] == [[("early",)]] * len(FILES)
    assert outcome.skew_ms < 5_000
    await refused_without_touching(s3, place)


async def written(place: Place) -> int:
    """Write to both files before and after a moment, and return it."""
    async with OpenStore(place.data / FILES[0]) as main, OpenStore(place.data / FILES[1]) as luna:
        stores = {store: await store.create("alice", "bob") for store in (main, luna)}
        with Replicated(place, FILES) as replicated:
            for store, conversation in stores.items():
                await store.send("alice", conversation, "early")
            at_ms = replicated.sync()
            for store, conversation in stores.items():
                await store.send("alice", conversation, "late")
            replicated.sync()
    return at_ms


async def refused_without_touching(s3: S3Server, place: Place) -> None:
    """Try a wrong bucket, a wrong key, and a store that is frozen or dead: told in time, without secrets."""

    def refusal(other: Place) -> str:
        began_s = time.monotonic()
        with pytest.raises(Refused) as refused:
            restore_in_place(other, FILES, None, lambda _: True, cause="a test", ask_timeout_s=ASK_TIMEOUT_S)
        assert time.monotonic() - began_s < ASK_TIMEOUT_S + 5
        assert SECRET not in str(refused.value)
        assert query(place.data / FILES[0], KEYS) == [("early",)]
        return str(refused.value)

    assert "NoSuchBucket" in refusal(replace(place, replica="s3://nobodys/chat"))
    assert "no copy of main.db" in refusal(replace(place, replica="s3://palaver/other"))
    assert "cannot be read" in refusal(replace(place, secret_access_key="wrong"))
    s3.freeze()
    assert "did not answer" in refusal(place)
    s3.thaw()
    s3.kill()
    assert "did not answer" in refusal(place)
    empty = replace(place, data=place.data.with_name("empty"))
    with pytest.raises(Refused, match="cannot be told"):
        refuse_empty(replace(empty, replica="s3://nobodys/chat", litestream="/no/such/program"))


def test_a_store_that_nobody_here_can_list_is_told_of(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path), replica="sftp://me@127.0.0.1:9/chat")
    listed = listed_place_of(settings)
    assert (listed.found, known_files(listed)) == (None, [])
    assert "--file main --file persona_luna" in unlisted(listed)
    (tmp_path / "main.db").write_bytes(b"a database")
    assert not unlisted(listed)
