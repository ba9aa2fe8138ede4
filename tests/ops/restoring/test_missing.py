"""Starting where files are missing: refused where copies exist, restored where that is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from chat.settings import Settings
from ops.drilling.record import LATEST, PASS, Drill, History, Part
from ops.leasing.lease_object import NAME
from ops.restore_listing import listed_place_of
from ops.restore_start import prepare
from ops.restoring import binary, scratch
from ops.restoring.missing import refuse_empty, restore_missing
from ops.restoring.place import Place
from ops.restoring.refusal import Refused
from tests.ops.restoring.replicated import Replicated, query
from tests.support.server import Server, palaver
from tests.support.stores import OpenStore


async def copied(place: Place) -> None:
    """Leave copies of two files, and none of the files."""
    files = ("main.db", "persona_luna.db")
    async with OpenStore(place.data / files[0]) as main, OpenStore(place.data / files[1]):
        with Replicated(place, files):
            await main.send("alice", await main.create("alice", "bob"), "kept")
    for path in place.data.glob("[a-z]*.db*"):
        path.unlink()


def run(place: Place, *words: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PALAVER_")}
    return subprocess.run(
        palaver(*words), env=inherited | {"PALAVER_DATA": str(place.data)}, capture_output=True, text=True
    )


async def test_a_new_folder_starts_without_a_question(place: Place) -> None:
    refuse_empty(place)
    assert restore_missing(place) is None


async def test_a_start_without_the_file_is_refused_where_copies_of_it_exist(place: Place) -> None:
    await copied(place)
    with pytest.raises(Refused, match=r"copies of main.db, persona_luna.db.*--restore-if-missing"):
        refuse_empty(place)


async def test_a_start_without_a_file_that_was_there_is_refused(place: Place) -> None:
    (place.data / "main.db").write_bytes(b"a database")
    (place.data / "persona_luna.db.noted").touch()
    with pytest.raises(Refused, match=r"persona_luna.db was in .* and is gone"):
        refuse_empty(place)


async def test_an_empty_file_is_none(place: Place) -> None:
    await copied(place)
    (place.data / "main.db").touch()
    with pytest.raises(Refused, match=r"no main.db .*copies of main.db.*--restore-if-missing.*--start-empty"):
        refuse_empty(place)
    assert restore_missing(place) is not None
    assert (place.data / "main.db").stat().st_size > 0


async def test_an_empty_file_that_a_first_start_left_is_no_reason_to_refuse_the_second(place: Place) -> None:
    (place.data / "main.db").touch()
    (place.data / "secret").touch()
    refuse_empty(place)


@pytest.mark.parametrize("left", ["ledger.jsonl", "restores/replaced-1", "replica/main/ltx"])
@pytest.mark.parametrize("replica", ["wrong", "off"])
async def test_what_an_earlier_server_left_is_no_first_start(
    place: Place, tmp_path: Path, left: str, replica: str
) -> None:
    elsewhere = replace(place, replica=replica if replica == "off" else str(tmp_path / replica))
    (place.data / left).mkdir(parents=True)
    told = rf"the {left.partition('/')[0]} of an earlier server.*--restore-if-missing.*--start-empty"
    with pytest.raises(Refused, match=told):
        refuse_empty(elsewhere)
    with pytest.raises(Refused, match=told):
        restore_missing(elsewhere)
    assert restore_missing(elsewhere, start_empty=True) is None


async def test_a_drill_that_restored_something_was_of_an_earlier_server(place: Place) -> None:
    part = Part(file="main.db", moment=LATEST, outcome=PASS)
    History(place.data).add(Drill(began_ms=1, took_ms=1, outcome=PASS, version="1", parts=(part,)))
    with pytest.raises(Refused, match=r"the drills.jsonl of an earlier server"):
        refuse_empty(place)


async def test_a_token_that_was_made_before_the_first_start_does_not_hinder_it(place: Place) -> None:
    (place.data / "secret").touch()
    refuse_empty(place)
    refuse_empty(replace(place, replica="off"))
    assert restore_missing(replace(place, replica="off")) is None


async def test_a_drill_before_the_first_start_does_not_hinder_it(place: Place) -> None:
    drilled = run(place, "drill")
    assert drilled.returncode == 75, drilled.stderr
    refuse_empty(place)


async def test_a_migration_begins_nothing_anew_where_a_start_would_not(place: Place, tmp_path: Path) -> None:
    await copied(place)
    main = place.data / "main.db"
    refused = run(place, "migrate")
    assert (refused.returncode, main.exists()) == (1, False)
    assert "copies of main.db" in refused.stderr
    assert "--restore-if-missing" in refused.stderr
    main.touch()
    assert run(place, "migrate").returncode == 1
    main.unlink()
    assert restore_missing(place) is not None
    assert run(place, "migrate").returncode == 0
    assert run(replace(place, data=tmp_path / "new"), "migrate").returncode == 0


async def test_a_start_that_cannot_look_for_copies_is_refused(place: Place) -> None:
    far = replace(place, replica="s3://bucket/chat", litestream="/no/such/litestream")
    with pytest.raises(Refused, match="cannot be told"):
        refuse_empty(far)


async def test_what_is_missing_is_restored_whole(place: Place) -> None:
    await copied(place)
    outcome = restore_missing(place)
    assert outcome is not None
    assert [copy.file for copy in outcome.copies] == ["main.db", "persona_luna.db"]
    assert query(place.data / "main.db", "SELECT kind FROM generations ORDER BY number")[-1] == ("restore",)
    assert restore_missing(place) is None


async def test_a_wal_that_lost_its_file_is_not_read_into_the_restored_one(
    place: Place, tmp_path: Path
) -> None:
    path, wal, kept = place.data / "main.db", place.data / "main.db-wal", tmp_path / "kept-wal"
    async with OpenStore(path) as main:
        conversation = await main.create("alice", "bob")
        with Replicated(place):
            await main.send("alice", conversation, "copied")
        await main.send("alice", conversation, "never copied")
        shutil.copy(wal, kept)
    path.unlink()
    shutil.copy(kept, wal)
    restore_missing(place)
    assert query(path, "SELECT client_message_id FROM messages") == [("copied",)]


async def test_nothing_that_hides_a_failure_is_ever_asked_of_litestream(place: Place, tmp_path: Path) -> None:
    await copied(place)
    asked, recording = tmp_path / "asked", tmp_path / "litestream"
    recording.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {asked}\nexec {binary.find(place)} "$@"\n')
    recording.chmod(0o700)
    restore_missing(replace(place, litestream=str(recording)))
    words = set(asked.read_text().split("\n"))
    assert {"ltx", "restore", "-dry-run"} <= words
    assert words & {"-force", "-if-replica-exists", "-if-db-not-exists", "-parallelism"} == set()


async def test_a_first_start_needs_no_copies(place: Place, tmp_path: Path) -> None:
    elsewhere = replace(place, replica=str(tmp_path / "new"))
    assert restore_missing(elsewhere) is None


@pytest.mark.parametrize("left", ["secret", "ledger.jsonl"])
async def test_a_wrong_address_on_a_lost_machine_is_no_first_start(
    place: Place, tmp_path: Path, left: str
) -> None:
    elsewhere = replace(place, replica=str(tmp_path / "wrong"))
    (place.data / left).touch()
    with pytest.raises(Refused, match=f"the {left} of an earlier server.*--start-empty"):
        restore_missing(elsewhere)
    assert restore_missing(elsewhere, start_empty=True) is None


async def test_a_target_that_lost_its_copies_is_no_first_start(place: Place, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / NAME).touch()
    settings = Settings(data=str(place.data), replica=str(tmp_path / "used"))
    used = listed_place_of(settings)
    with pytest.raises(Refused, match="holds no copies any more"):
        restore_missing(used)
    with pytest.raises(Refused, match="holds no copies any more"):
        refuse_empty(used)
    assert restore_missing(used, start_empty=True) is None
    beside = listed_place_of(msgspec.structs.replace(settings, replicate="alongside"))
    assert restore_missing(beside) is None


async def test_a_server_fetches_what_is_missing_and_serves(place: Place) -> None:
    await copied(place)
    refused = Server(place.data, palaver("serve"), {"replica": place.target})
    refused.spawn()
    with pytest.raises(RuntimeError, match="--restore-if-missing"):
        await refused.ready()
    assert not (place.data / "main.db").exists()
    served = await Server.start(
        place.data, command=palaver("serve", "--restore-if-missing"), replica=place.target
    )
    await served.close()
    assert query(place.data / "main.db", "SELECT count(*) FROM messages") == [(1,)]


def test_a_start_takes_away_what_killed_restores_left(place: Place) -> None:
    left, held = place.restores / "temporary-dead", place.restores / "temporary-alive"
    left.mkdir(parents=True)
    (left / "main.db").touch()
    with scratch.held(held):
        prepare(Settings(data=str(place.data)), start_empty=False)
        assert (left.exists(), held.exists()) == (False, True)
