from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chat.settings import Settings
from ops.drilling.record import Drill, History, Outcome
from ops.examining import place, replica
from ops.examining.findings import Finding
from ops.restoring.place import Place
from storage.lock import FileLock
from tests.ops.restoring.replicated import UNCOMPACTED, Replicated, place_in
from tests.support.files import connect, make_file, send
from tests.support.ports import free_port


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[Replicated]:
    found = place_in(tmp_path)
    make_file(found.data / "main.db")
    with Replicated(found, **UNCOMPACTED) as daemon:
        yield daemon


def look(where: Place, **fields: object) -> dict[str, Finding]:
    settings = Settings(data=str(where.data), **fields)  # type: ignore[arg-type]
    return {each.check: each for each in replica.findings(settings, place.databases(where.data))}


def note(where: Place, outcome: Outcome, age_h: int = 0) -> None:
    began_ms = int(time.time() * 1000) - age_h * 3600 * 1000
    History(where.data).add(Drill(began_ms=began_ms, took_ms=1, outcome=outcome, version="1", parts=()))


def test_a_copy_is_told_with_its_age_and_the_binary_with_its_version(replicated: Replicated) -> None:
    found = look(replicated.place)

    assert found["replica"].ok
    assert "the newest" in found["replica"].what
    assert found["litestream"].ok
    assert found["litestream's descriptors"].ok


def test_a_replica_on_the_disk_of_the_databases_is_a_warning(replicated: Replicated) -> None:
    assert "and not the disk" in look(replicated.place)["replica's disk"].what


def test_a_place_that_nothing_guards_and_a_server_whose_key_nobody_checks_are_warnings(
    tmp_path: Path,
) -> None:
    where = Place(data=tmp_path)
    unguarded = look(where, replica="sftp://me@127.0.0.1:9/chat")
    assert "no lease is possible on sftp" in unguarded["lease"].what
    assert "host-key" in unguarded["server's key"].do
    checked = look(where, replica="sftp://me@127.0.0.1:9/chat", replica_options="host-key='ssh-ed25519 AAAA'")
    assert "server's key" not in checked
    assert not {"lease", "server's key"} & look(where, replica="webdav://me@127.0.0.1:9/chat").keys()


def test_a_hole_is_an_error(replicated: Replicated) -> None:
    replicated.settle()
    folder = replicated.place.data / "replica" / "main"
    whole = set(folder.rglob("*.ltx"))
    with closing(connect(replicated.place.data / "main.db")) as connection:
        send(connection, 4)
        replicated.sync()
        middle = set(folder.rglob("*.ltx")) - whole
        send(connection, 5)
        replicated.sync()
    for file in middle:
        file.unlink()

    assert look(replicated.place)["replica"].level == "error"


def test_a_copy_that_stays_behind_a_running_server_is_a_warning(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = FileLock(replicated.place.data / "main.db")
    lock.acquire()
    monkeypatch.setattr(replica, "NEWEST_AGE_S_MAX", -10.0)

    assert "a server is running" in look(replicated.place)["replica"].what
    lock.release()
    assert "a server is running" not in look(replicated.place)["replica"].what


def test_a_database_without_a_copy_is_a_warning(replicated: Replicated) -> None:
    make_file(replicated.place.data / "persona_ada.db")

    assert "no copy of persona_ada.db" in look(replicated.place)["replica"].what


def test_a_store_that_does_not_answer_is_a_warning_with_its_reason(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "ASK_TIMEOUT_S", 1.0)
    found = look(
        replicated.place,
        replica="s3://bucket/path",
        replica_endpoint=f"http://127.0.0.1:{free_port()}",
        replica_access_key_id="key",
        replica_secret_access_key="secret",
    )

    assert "did not answer" in found["replica"].what
    assert "replica's disk" not in found


@pytest.mark.parametrize(
    ("fields", "check", "level"),
    [
        ({"replica": "off"}, "replica", "warning"),
        ({"replica": "ftp://bucket"}, "replica", "error"),
        ({"litestream": "/nowhere/litestream"}, "litestream", "error"),
    ],
    ids=["off", "a place that nobody knows", "no binary"],
)
def test_what_is_not_there_is_told(tmp_path: Path, fields: dict[str, str], check: str, level: str) -> None:
    where = place_in(tmp_path)
    make_file(where.data / "main.db")

    assert look(where, **fields)[check].level == level


def test_the_last_drill_is_told(tmp_path: Path) -> None:
    where = place_in(tmp_path)
    make_file(where.data / "main.db")
    assert "nobody has proven" in look(where)["drill"].what

    note(where, "pass", age_h=100)
    assert "100 h ago" in look(where)["drill"].what
    note(where, "fail")
    assert "the last one: fail" in look(where)["drill"].what
    note(where, "pass")
    assert look(where)["drill"].ok


def test_room_for_the_next_whole_copy_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = place_in(tmp_path)
    make_file(where.data / "main.db")
    monkeypatch.setattr(replica, "_size", lambda _file: 2**60)

    assert look(where)["replica's room"].level == "warning"
