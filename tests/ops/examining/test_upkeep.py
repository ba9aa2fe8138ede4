from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from chat.settings import Settings
from ops.backups.making import make
from ops.backups.shelf import Shelf, folder_of
from ops.examining import live, place, upkeep
from ops.examining.findings import Finding
from tests.support.files import connect, make_file
from tests.support.ports import free_port
from tests.support.server import Server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_file(tmp_path / "data" / "main.db")
    (tmp_path / "data" / "secret").write_text("s" * 43)
    return Settings(data=str(tmp_path / "data"))


def look(settings: Settings) -> dict[str, Finding]:
    databases = place.databases(Path(settings.data))
    return {each.check: each for each in upkeep.findings(settings, databases)}


def back_up(settings: Settings, *, secret: bool = False) -> Path:
    shelf = Shelf(folder_of(settings))
    with shelf.locked():
        return shelf.path(make(settings, shelf, secret=secret, kept=False))


def test_without_a_backup_the_command_is_named(settings: Settings) -> None:
    assert look(settings)["backup"].level == "warning"
    assert "`palaver backup`" in look(settings)["backup"].do


def test_what_restores_moved_aside_is_weighed_and_how_to_remove_it_told(settings: Settings) -> None:
    assert "replaced files" not in look(settings)
    aside = Path(settings.data) / "restores" / "replaced-20261122T140300Z-a1b2c3"
    aside.mkdir(parents=True)
    (aside / "main.db").write_bytes(bytes(5000))

    found = look(settings)["replaced files"]

    assert "1 restores" in found.what
    assert "5.0 kB" in found.what
    assert f"rm -r {aside.parent}/replaced-*" in found.do


def test_a_fresh_backup_is_good_and_an_old_one_is_not(settings: Settings) -> None:
    folder = back_up(settings)
    assert look(settings)["backup"].ok

    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"moment_ms": 1_700_000_000_000}))

    assert "days ago" in look(settings)["backup"].what
    assert not look(settings)["backup"].ok


def test_a_secret_without_a_copy_is_told_until_a_backup_has_it(settings: Settings) -> None:
    back_up(settings)
    assert "every token is void" in look(settings)["secret's copy"].what

    back_up(settings, secret=True)

    assert look(settings)["secret's copy"].ok


def test_a_secret_that_stands_in_the_settings_is_not_asked_for(settings: Settings) -> None:
    assert "secret's copy" not in look(Settings(data=settings.data, jwt_secret="x" * 43))


def test_a_restore_that_did_not_end_is_an_error(settings: Settings) -> None:
    (Path(settings.data) / "restore-intent.json").write_text("{}")

    assert look(settings)["restore"].level == "error"


def test_records_are_read_and_a_torn_one_is_an_error(settings: Settings) -> None:
    ledger = Path(settings.data) / "ledger.jsonl"
    ledger.write_text('{"a":1}\n{"a":2}\n')
    assert look(settings)["record"].what == "2 entries"

    ledger.write_text('{"a":1}\n{"a":')

    assert look(settings)["record"].level == "error"


def test_much_free_space_is_told_with_what_gives_it_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_file(Path(settings.data) / "persona_ada.db", messages=200, content="long" * 500)
    with closing(connect(Path(settings.data) / "persona_ada.db")) as connection:
        connection.execute("DELETE FROM messages")
    monkeypatch.setattr(upkeep, "FREE_BYTES_MIN", 4096)

    assert look(settings)["space"].do == "`palaver vacuum` gives it back to the disk."


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    started = await Server.start(tmp_path / "served")
    yield started
    await started.close()


async def test_a_running_server_tells_of_its_parts_and_one_that_cannot_be_asked_is_told(
    server: Server,
) -> None:
    databases = [server.data_dir / "main.db"]
    answering = Settings(data=str(server.data_dir), port=server.port)
    elsewhere = Settings(data=str(server.data_dir), port=free_port())

    told = {each.check: each for each in live.findings(answering, databases)}
    (silent,) = live.findings(elsewhere, databases)

    assert told["answer"].what == "answers, and is ok"
    assert told["writer of main"].ok
    assert silent.level == "warning"
    assert str(server.pid) in silent.what
    await server.terminate()
    assert list(live.findings(answering, databases)) == []
