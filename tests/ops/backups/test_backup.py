from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from chat.settings import Settings
from ops.backups import making
from ops.backups.shelf import Shelf
from ops.cli import app
from storage.inspect import Inspection
from storage.tuning import Tuning
from tests.support.files import connect, last_seq, make_file, send
from tests.support.rest import RestClient
from tests.support.server import Server, palaver


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with two databases, a secret and a ledger, and no server."""
    folder = tmp_path / "data"
    for name in ("main.db", "persona_ada.db"):
        make_file(folder / name, messages=3)
    (folder / "secret").write_text("s" * 43)
    (folder / "ledger.jsonl").write_text('{"act":"removed"}\n')
    return folder


def backup(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["backup", *arguments], env={"PALAVER_DATA": str(data)})


def made(data: Path, *arguments: str) -> dict[str, Any]:
    result = backup(data, "--json", *arguments)
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_a_backup_holds_every_database_and_the_ledger_and_says_so(data: Path) -> None:
    report = made(data)

    folder = Path(report["folder"])
    assert folder.parent == data / "backups"
    assert sorted(each.name for each in folder.iterdir()) == [
        "ledger.jsonl",
        "main.db",
        "manifest.json",
        "persona_ada.db",
    ]
    assert json.loads((folder / "manifest.json").read_text()) == report["backup"]
    main = report["backup"]["files"][0]
    assert (main["name"], main["content"], main["generation"], main["epoch"]) == (
        "main.db",
        "database",
        1,
        "first",
    )


def test_a_backup_belongs_to_its_owner_alone(data: Path) -> None:
    folder = Path(made(data, "--with-secret")["folder"])

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600


def test_the_secret_is_taken_only_when_it_is_asked_for(data: Path) -> None:
    without = {file["name"] for file in made(data)["backup"]["files"]}
    with_it = {file["name"] for file in made(data, "--with-secret")["backup"]["files"]}

    assert with_it - without == {"secret"}


def test_two_backups_of_one_second_have_two_names(data: Path) -> None:
    names = {made(data)["backup"]["name"] for _ in range(3)}

    assert len(names) == 3
    assert [each["name"] for each in made(data, "--list")["backups"]] == sorted(names)


def test_a_backup_goes_where_it_is_told_to(data: Path, tmp_path: Path) -> None:
    report = made(data, "--to", str(tmp_path / "disk"))

    assert Path(report["folder"]).parent == tmp_path / "disk"
    assert made(data, "--list")["backups"] == []
    assert len(made(data, "--list", "--from", str(tmp_path / "disk"))["backups"]) == 1


def test_without_a_database_the_setting_is_named(tmp_path: Path) -> None:
    result = backup(tmp_path)

    assert result.exit_code == 1
    assert "Set PALAVER_DATA" in result.stderr


def test_a_disk_without_room_is_refused_before_anything_is_written(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "RESERVE_BYTES", 2**60)

    result = backup(data)

    assert result.exit_code == 1
    assert "name another disk with --to" in result.stderr
    assert [each.name for each in (data / "backups").iterdir()] == [".lock"]


def test_a_damaged_database_makes_no_backup(data: Path) -> None:
    with (data / "main.db").open("r+b") as raw:
        raw.seek(5 * 4096)
        raw.write(os.urandom(4096))

    result = backup(data)

    assert result.exit_code == 1
    assert "main.db is damaged" in result.stderr
    assert made(data, "--list")["backups"] == []


def test_what_a_killed_backup_left_is_swept_by_the_next(data: Path) -> None:
    left = data / "backups" / "20260101T000000Z.partial"
    left.mkdir(parents=True)
    (left / "main.db").touch()

    made(data)

    assert not left.exists()


def test_two_backups_at_once_are_refused(data: Path) -> None:
    with Shelf(data / "backups").locked():
        result = backup(data)

    assert result.exit_code == 1
    assert "Another backup" in result.stderr


def test_a_backup_verifies_by_its_name_and_the_newest_without_one(data: Path) -> None:
    first = made(data)["backup"]["name"]
    newest = made(data)["backup"]["name"]

    assert made(data, "--verify")["backup"] == newest
    assert made(data, "--verify", first) == {
        "backup": first,
        "ok": True,
        "files": [{"name": name, "damage": ""} for name in ("main.db", "persona_ada.db", "ledger.jsonl")],
    }


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda file: file.unlink(), "cannot be read"),
        (lambda file: file.write_bytes(file.read_bytes()[:-4096]), "bytes, and"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1] + b"!"), "other content"),
    ],
    ids=["missing", "cut short", "changed"],
)
def test_a_backup_that_is_not_as_it_was_written_fails(data: Path, damage: Any, reason: str) -> None:
    folder = Path(made(data)["folder"])
    damage(folder / "main.db")

    result = backup(data, "--verify", "--json")

    assert result.exit_code == 1
    assert reason in json.loads(result.stdout)["files"][0]["damage"]


def test_a_folder_without_a_manifest_is_told_as_broken_and_never_taken(data: Path) -> None:
    folder = Path(made(data)["folder"])
    (folder / "manifest.json").unlink()

    assert made(data, "--list")["broken"] == [folder.name]
    assert "There is no backup" in backup(data, "--verify").stderr


def test_a_name_that_is_not_there_leads_to_the_list(data: Path) -> None:
    made(data)

    result = backup(data, "--verify", "20200101T000000Z")

    assert result.exit_code == 1
    assert "--list" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--list", "--verify"], ["--restore"], ["20200101T000000Z"]],
    ids=["two acts", "no target", "no act"],
)
def test_what_cannot_be_meant_is_wrong_use(data: Path, arguments: list[str]) -> None:
    assert backup(data, *arguments).exit_code == 2


def test_old_backups_leave_and_kept_ones_stay(data: Path) -> None:
    kept, old = made(data, "--keep")["backup"]["name"], made(data)["backup"]["name"]
    for name in (kept, old):
        file = data / "backups" / name / "manifest.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"moment_ms": 1_600_000_000_000}))

    result = CliRunner().invoke(
        app,
        ["backup", "--json"],
        env={
            "PALAVER_DATA": str(data),
            "PALAVER_BACKUP_DAILY": "1",
            "PALAVER_BACKUP_WEEKLY": "0",
            "PALAVER_BACKUP_MONTHLY": "0",
        },
    )

    assert json.loads(result.stdout)["removed"] == [old]
    assert (data / "backups" / kept).exists()
    assert not (data / "backups" / old).exists()


def test_a_restored_backup_is_sound_and_begins_a_generation_of_kind_restore(
    data: Path, tmp_path: Path
) -> None:
    name = made(data, "--with-secret")["backup"]["name"]
    with closing(connect(data / "main.db")) as writer:
        send(writer, 4)

    report = made(data, "--restore", name, "--to", str(tmp_path / "new"))

    new = tmp_path / "new"
    assert report["databases"] == ["main.db", "persona_ada.db"]
    assert sorted(each.name for each in new.iterdir()) == [
        "ledger.jsonl",
        "main.db",
        "persona_ada.db",
        "secret",
    ]
    assert last_seq(new / "main.db") == 3
    with closing(connect(new / "main.db")) as connection:
        kinds = [row[0] for row in connection.execute("SELECT kind FROM generations ORDER BY number")]
    assert kinds == ["start", "restore"]


def test_nothing_is_ever_restored_over_a_database(data: Path) -> None:
    made(data)

    result = backup(data, "--restore", "--to", str(data))

    assert result.exit_code == 1
    assert "Name a new folder" in result.stderr


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_a_backup_is_not_put_beside_what_another_database_left(data: Path, tmp_path: Path, end: str) -> None:
    made(data)
    new = tmp_path / "new"
    new.mkdir()
    (new / f"main.db{end}").write_bytes(b"of before")

    result = backup(data, "--restore", "--to", str(new))

    assert result.exit_code == 1
    assert f"main.db{end}" in result.stderr
    assert not (new / "main.db").exists()


def test_a_damaged_backup_is_not_restored(data: Path, tmp_path: Path) -> None:
    folder = Path(made(data)["folder"])
    (folder / "persona_ada.db").write_bytes(b"")

    result = backup(data, "--restore", "--to", str(tmp_path / "new"))

    assert result.exit_code == 1
    assert "persona_ada.db" in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_restore_that_broke_off_goes_on_where_it_was(data: Path, tmp_path: Path) -> None:
    made(data)
    new = tmp_path / "new"
    new.mkdir()
    (new / "ledger.jsonl").write_text("newer than the backup\n")
    (new / "main.db.partial").write_bytes(b"half")

    made(data, "--restore", "--to", str(new))

    assert (new / "ledger.jsonl").read_text() == "newer than the backup\n"
    assert sorted(each.name for each in new.iterdir()) == ["ledger.jsonl", "main.db", "persona_ada.db"]


def test_for_people_everything_is_said_in_words(data: Path, tmp_path: Path) -> None:
    assert "Without the signing secret" in backup(data).stdout
    assert "by age" in backup(data, "--list").stdout
    assert "ok" in backup(data, "--verify").stdout
    assert "set PALAVER_DATA" in backup(data, "--restore", "--to", str(tmp_path / "new")).stdout
    shutil.rmtree(data / "backups")
    assert "There is no backup" in backup(data, "--list").stdout


async def test_beside_a_server_that_writes_a_backup_is_sound_and_a_server_starts_from_it(
    tmp_path: Path,
) -> None:
    server = await Server.start(tmp_path / "data")
    try:
        async with RestClient(server.url, server.token("alice")) as alice:
            conversation = await alice.create_conversation("bob")
            for _ in range(20):
                await alice.send(conversation, "hello")
            done = subprocess.run(
                palaver("backup", "--json"),
                env=server.environment(),
                check=True,
                capture_output=True,
                timeout=60,
            )
            await alice.send(conversation, "not in the backup")
        await server.terminate()
    finally:
        await server.close()
    report = json.loads(done.stdout)
    restored = CliRunner().invoke(
        app,
        ["backup", "--restore", report["backup"]["name"], "--to", str(tmp_path / "new")],
        env={"PALAVER_DATA": str(tmp_path / "data")},
    )
    assert restored.exit_code == 0, restored.output
    shutil.copy(tmp_path / "data" / "secret", tmp_path / "new" / "secret")

    second = await Server.start(tmp_path / "new")
    try:
        async with RestClient(second.url, second.token("alice")) as alice:
            messages = await alice.messages(conversation)
    finally:
        await second.close()

    assert [message["content"] for message in messages] == ["hello"] * 20
    with Inspection(tmp_path / "new" / "main.db", Tuning.of(Settings(), query_only=True)) as inspection:
        assert inspection.damage() == []
