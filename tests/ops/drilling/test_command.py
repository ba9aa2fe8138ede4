from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.drill import EXIT_ENDED
from ops.drilling import drill as drilling
from ops.restoring.place import Place
from ops.restoring.scratch import TEMPORARY, held
from storage.engine import sqlite3
from tests.ops.litestream_world import alive
from tests.ops.restoring.replicated import Replicated, place_in
from tests.support.files import make_file
from tests.support.server import palaver
from tests.support.waiting import STEP_S

TIMEOUT_S = 60.0


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A data folder with one database that a real litestream copies."""
    place = place_in(tmp_path)
    make_file(place.data / "main.db")
    with Replicated(place) as daemon:
        monkeypatch.setattr(drilling, "socket_of", lambda _settings: daemon._socket)
        yield place


def run(place: Place, *arguments: str, **settings: str) -> Result:
    return CliRunner().invoke(app, ["drill", *arguments], env={"PALAVER_DATA": str(place.data), **settings})


def test_a_drill_is_told_to_people_and_to_scripts_and_kept(place: Place, tmp_path: Path) -> None:
    told = run(place)
    as_json = run(place, "--json")

    assert (told.exit_code, as_json.exit_code) == (0, 0), told.output
    assert "everything was on the replica after" in told.stdout
    newest = json.loads(as_json.stdout)
    assert newest["outcome"] == "pass"
    assert json.loads(run(place, "--history", "--json").stdout)[1] == newest
    assert "pass" in run(place, "--history").stdout
    assert run(place, "--report", str(tmp_path / "report.svg")).exit_code == 0
    assert (tmp_path / "report.svg").read_text().startswith("<svg")


def test_a_failure_exits_with_1_and_says_what_to_do(place: Place) -> None:
    # Those that Litestream keeps itself too: from them it would mend the replica at the next half minute.
    for file in place.data.rglob("*.ltx"):
        file.unlink()

    result = run(place)

    assert result.exit_code == 1
    assert "Make a `palaver backup` now" in result.stdout.replace("\n", " ")


def test_what_proves_nothing_exits_with_75(tmp_path: Path) -> None:
    result = run(place_in(tmp_path))

    assert result.exit_code == 75
    assert "there is no database" in result.stdout


def test_two_drills_at_once_are_refused(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    with held(place.restores / "drill"):
        result = run(place)

    assert result.exit_code == 75
    assert "another drill" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--history", "--report", "x.svg"], 2, "choose one"),
        (["--report", "x.svg"], 1, "no drill yet"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    result = run(place_in(tmp_path), *arguments)

    assert result.exit_code == code
    assert said in result.stderr


def test_without_a_data_folder_the_setting_is_named(tmp_path: Path) -> None:
    result = run(Place(data=tmp_path / "nowhere"))

    assert result.exit_code == 2
    assert "PALAVER_DATA" in result.stderr


def test_an_empty_history_says_how_to_begin(tmp_path: Path) -> None:
    assert "There was no drill yet" in run(place_in(tmp_path), "--history").stdout


def test_a_drill_that_is_ended_leaves_no_copy_and_no_process(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "main.db")) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")
    (tmp_path / "replica").mkdir()
    pid, slow = tmp_path / "pid", tmp_path / "litestream"
    slow.write_text(f"#!/bin/sh\necho $$ > {pid}.new && mv {pid}.new {pid} && exec sleep 60\n")
    slow.chmod(0o755)
    named = {"PALAVER_DATA": str(tmp_path), "PALAVER_LITESTREAM": str(slow)}
    drill = subprocess.Popen(palaver("drill", "--json"), env={**os.environ, **named})
    deadline_s = time.monotonic() + TIMEOUT_S
    while not pid.exists() and time.monotonic() < deadline_s:
        time.sleep(STEP_S)

    drill.terminate()

    assert drill.wait(TIMEOUT_S) == EXIT_ENDED
    assert not alive(int(pid.read_text()))
    assert not list((tmp_path / "restores").glob(f"{TEMPORARY}*"))
