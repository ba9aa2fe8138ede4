from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops import vacuum
from ops.cli import app
from storage.lock import FileLock
from tests.support.files import connect, make_file


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose database was emptied."""
    make_file(tmp_path / "main.db", messages=300, content="long" * 500)
    with closing(connect(tmp_path / "main.db")) as connection:
        connection.execute("DELETE FROM messages")
        connection.execute("UPDATE conversations SET first_seq = last_seq + 1")
    return tmp_path


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["vacuum", *arguments], env={"PALAVER_DATA": str(data)})


@pytest.mark.parametrize("arguments", [[], ["--full"]], ids=["in steps", "full"])
def test_what_was_given_back_is_told(data: Path, arguments: list[str]) -> None:
    result = run(data, "--json", *arguments)

    assert result.exit_code == 0, result.output
    (file,) = json.loads(result.stdout)
    assert file["file"] == "main.db"
    assert file["before_bytes"] > file["after_bytes"] == (data / "main.db").stat().st_size
    assert file["free_bytes"] == 0


def test_for_people_there_is_a_table(data: Path) -> None:
    assert "main.db" in run(data).stdout


def test_a_served_file_is_not_written_anew(data: Path) -> None:
    lock = FileLock(data / "main.db")
    lock.acquire()

    result = run(data, "--full")

    lock.release()
    assert result.exit_code == 1
    assert "already served" in result.stderr


def test_without_room_nothing_is_begun(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vacuum, "ROOM_FACTOR", 2**40)

    result = run(data, "--full")

    assert result.exit_code == 1
    assert "Make room" in result.stderr


def test_without_a_database_the_setting_is_named(tmp_path: Path) -> None:
    assert "PALAVER_DATA" in run(tmp_path).stderr
