"""Requests to restore: what each does, and what is refused without touching anything."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from ops import restore
from ops.cli import app
from ops.restoring import locks, moment, plan
from ops.restoring.place import Place
from ops.restoring.refusal import Refused
from ops.restoring.request import Answer, Request, run
from tests.ops.restoring.replicated import Replicated, beat, place_in, query
from tests.support.server import PROJECT, palaver
from tests.support.stores import OpenStore

KEYS = "SELECT client_message_id FROM messages ORDER BY rowid"
RESTORE = PROJECT / "ops" / "restore.py"


@dataclass(frozen=True)
class Scene:
    """Messages `one` and `two` with a moment between them, then `two` edited away and an uncopied `three`."""

    place: Place
    conversation: str
    between_ms: int
    began_ms: int

    def restore(self, **options: object) -> Answer:
        """Run a request and consent to all."""
        return run(self.place, Request(**options), lambda _: True)  # type: ignore[arg-type]

    def keys(self, path: Path | None = None) -> list[object]:
        """Return the keys of the messages in a file, main.db if none is named."""
        return [key for (key,) in query(path or self.place.data / "main.db", KEYS)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    place = place_in(tmp_path_factory.mktemp("request"))
    began_ms = moment.now_ms()
    async with OpenStore(place.data / "main.db") as store:
        conversation = await store.create("alice", "bob", title="Plans")
        with Replicated(place) as replicated:
            await store.send("alice", conversation, "one")
            beat(store.path)
            between_ms = replicated.sync()
            await store.send("alice", conversation, "two")
            await store.send("bob", await store.create("bob", "carol"), "elsewhere")
            replicated.sync()
        await store.send("alice", conversation, "three")
        left = place.data.with_name("left")
        shutil.copytree(place.data, left)
    return Scene(Place(data=left), conversation, between_ms, began_ms)


@pytest.fixture
def scene(made: Scene, tmp_path: Path) -> Scene:
    """The scene in a folder of its own."""
    shutil.copytree(made.place.data, tmp_path / "data")
    return replace(made, place=Place(data=tmp_path / "data"))


async def test_what_would_be_lost_is_told_by_conversation(scene: Scene) -> None:
    answer = scene.restore(at=moment.iso(scene.between_ms), dry_run=True)
    (loss,) = answer.outcome.losses
    by_title = {each.title: each for each in loss.conversations}
    plans, elsewhere = by_title["Plans"], by_title[None]
    assert (plans.conversation_id, plans.messages, plans.whole) == (scene.conversation, 2, False)
    assert plans.last_seq - plans.copied_last_seq == 2
    assert (elsewhere.messages, elsewhere.whole) == (1, True)
    assert loss.messages == 3
    assert scene.keys() == ["one", "two", "elsewhere", "three"]
    assert list(scene.place.data.glob("restores*")) == []


async def test_a_copy_goes_where_it_is_asked_for_and_nothing_is_overwritten(
    scene: Scene, tmp_path: Path
) -> None:
    target = tmp_path / "out" / "copy of main.db"
    scene.restore(at=moment.iso(scene.between_ms), to=target)
    assert scene.keys(target) == ["one"]
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    with pytest.raises(Refused, match="there already"):
        scene.restore(latest=True, to=target)
    assert scene.keys(target) == ["one"]


async def test_before_a_message_is_the_newest_copy_without_it(scene: Scene) -> None:
    seq = query(scene.place.data / "main.db", "SELECT seq FROM messages WHERE client_message_id = 'two'")[0][
        0
    ]
    answer = scene.restore(before=f"{scene.conversation}/{seq}", in_place=True)
    assert scene.keys() == ["one"]
    assert f"Event {seq} is not in the copy, and all before it are." in answer.notes


async def test_before_a_message_that_only_the_replica_has(scene: Scene) -> None:
    seq = query(scene.place.data / "main.db", "SELECT seq FROM messages WHERE client_message_id = 'two'")[0][
        0
    ]
    for path in scene.place.data.glob("main.db*"):
        path.unlink()
    scene.restore(before=f"{scene.conversation}/{seq}", in_place=True)
    assert scene.keys() == ["one"]
    with pytest.raises(Refused, match="There is no main:"):
        scene.restore(before=f"{scene.conversation}/999", dry_run=True)


async def test_the_moment_of_a_copy_is_told_by_its_rows(scene: Scene) -> None:
    (copy,) = scene.restore(at=moment.iso(scene.between_ms), dry_run=True).outcome.copies
    assert copy.standing.moment_ms is not None
    assert 0 <= scene.between_ms - copy.standing.moment_ms < 10_000


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"latest": True}, "--in-place"),
        ({"dry_run": True}, "--latest"),
        ({"latest": True, "at": "-1m", "dry_run": True}, "one of them"),
        ({"latest": True, "dry_run": True, "files": ("nix",)}, "no copy of nix.db"),
        ({"latest": True, "dry_run": True, "files": ("../main",)}, "--file"),
        ({"at": "2199-01-01", "dry_run": True}, "in the future"),
        ({"at": "2020-01-01", "dry_run": True}, "can be restored lies between"),
        ({"at": "noon", "dry_run": True}, "is no moment"),
        ({"before": "main/7", "dry_run": True}, "<conversation>/<seq>"),
        ({"latest": True, "in_place": True, "replays": "perhaps"}, "accept or refuse"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_what_to_do(
    scene: Scene, options: dict[str, object], reason: str
) -> None:
    before = scene.keys()
    with pytest.raises(Refused, match=reason):
        scene.restore(**options)
    assert scene.keys() == before


async def test_a_store_that_does_not_answer_costs_no_more_than_the_time_limit(scene: Scene) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        place = replace(
            scene.place, replica="s3://bucket/chat", endpoint=endpoint, region="us-east-1",
            access_key_id="somebody", secret_access_key="something",
        )  # fmt: skip
        with pytest.raises(Refused, match="did not answer within 1 s") as refused:
            run(place, Request(latest=True, dry_run=True, ask_timeout_s=1.0), lambda _: True)
    assert "something" not in str(refused.value)
    assert scene.keys() == ["one", "two", "elsewhere", "three"]


async def test_a_disk_without_room_is_refused_before_anything_is_fetched(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "ROOM_SPARE_BYTES", 2**60)
    with pytest.raises(Refused, match="Make room"):
        scene.restore(latest=True, in_place=True)
    assert not list(scene.place.restores.glob("staging-*/main.db"))


async def test_a_running_server_is_refused_with_its_pid(scene: Scene) -> None:
    with locks.held(scene.place.data, ["main.db"]), pytest.raises(Refused, match=f"pid {os.getpid()}"):
        scene.restore(latest=True, in_place=True)


async def test_the_program_alone_needs_nothing_but_the_standard_library(scene: Scene, tmp_path: Path) -> None:
    bare = [sys.executable, "-I", "-S", str(RESTORE), "--data", str(scene.place.data)]
    told = subprocess.run(
        [*bare, "--at", moment.iso(scene.between_ms), "--in-place", "--yes", "--json", "--replays", "refuse"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(told.stdout)["files"][0]["lost"]["messages"] == 3
    assert scene.keys() == ["one"]
    asked = [*bare, "--latest", "--in-place"]
    refused = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False, input="no\n")
    assert refused.returncode == 1
    assert "nothing was touched" in refused.stderr
    assert scene.keys() == ["one"]


async def test_the_command_restores_after_a_typed_word(scene: Scene) -> None:
    environment = {**os.environ, "PALAVER_DATA": str(scene.place.data)}
    command = palaver("restore", "--at", moment.iso(scene.between_ms), "--in-place")
    run_it = {"env": environment, "capture_output": True, "text": True, "check": False}
    refused = subprocess.run(command, input="yes\n", **run_it)  # type: ignore[call-overload]
    assert (refused.returncode, scene.keys()) == (1, ["one", "two", "elsewhere", "three"])
    done = subprocess.run(command, input="restore\n", **run_it)  # type: ignore[call-overload]
    assert (done.returncode, scene.keys()) == (0, ["one"])
    assert "3 messages" in done.stdout


async def test_snapshots_are_told_as_json_and_drawn(scene: Scene, tmp_path: Path) -> None:
    environment = {**os.environ, "PALAVER_DATA": str(scene.place.data)}
    drawn = tmp_path / "timeline.svg"
    told = subprocess.run(
        palaver("snapshots", "--json", "--svg", str(drawn)), env=environment, capture_output=True, check=True
    )
    (window,) = json.loads(told.stdout)["files"]
    assert window["file"] == "main.db"
    assert window["oldest_ms"] <= scene.between_ms <= window["newest_ms"] + 1000
    assert window["holes"] == []
    assert drawn.read_text().startswith("<svg")
    refused = subprocess.run(
        palaver("snapshots", "--svg", str(tmp_path)), env=environment, capture_output=True, text=True
    )
    assert (refused.returncode, f"{tmp_path} cannot be written" in refused.stderr) == (1, True)
    nowhere = str(tmp_path / "nodir" / "x.svg")
    refused = subprocess.run(
        palaver("snapshots", "--svg", nowhere), env=environment, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert refused.stderr == f"palaver snapshots: {nowhere} cannot be written: No such file or directory\n"


async def test_the_shell_alone_restores_and_overwrites_nothing(scene: Scene, tmp_path: Path) -> None:
    script, output = str(PROJECT / "ops" / "restore.sh"), "-a copy.db"
    replica = str(scene.place.data / "replica" / "main")
    subprocess.run(
        [script, replica, output, moment.iso(scene.between_ms)], cwd=tmp_path, check=True, capture_output=True
    )
    assert scene.keys(tmp_path / output) == ["one"]
    again = subprocess.run([script, replica, output], cwd=tmp_path, check=False, capture_output=True)
    assert again.returncode == 1
    assert scene.keys(tmp_path / output) == ["one"]


@pytest.mark.parametrize(
    ("time", "meant"),
    [
        ("2031-11-22T14:03Z", "2031-11-22T14:03:00Z"),
        ("2031-11-22T14:03", "2031-11-22T14:03:00Z"),
        ("2031-11-22T14:03:05", "2031-11-22T14:03:05Z"),
        ("2031-11-22T15:03+01:00", "2031-11-22T15:03:00+01:00"),
        ("2031-11-22T14:03:05.123Z", "2031-11-22T14:03:05.123Z"),
        ("2031-11-22T14:03:05-08:00", "2031-11-22T14:03:05-08:00"),
    ],
)
def test_the_shell_takes_a_time_as_the_command_does_and_says_where_it_lies(
    tmp_path: Path, time: str, meant: str
) -> None:
    (tmp_path / "main" / "ltx").mkdir(parents=True)
    heard = tmp_path / "heard"
    litestream = tmp_path / "litestream"
    litestream.write_text(f'#!/bin/sh\necho "$@" >{heard}\necho "timestamp does not exist" >&2\nexit 1\n')
    litestream.chmod(0o700)
    done = subprocess.run(
        [PROJECT / "ops" / "restore.sh", tmp_path / "main", tmp_path / "copy.db", time],
        env={**os.environ, "LITESTREAM": str(litestream)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"-timestamp {meant} " in heard.read_text()
    assert f"{meant} lies outside what was copied: times are UTC" in done.stderr


def test_the_shell_refuses_what_is_no_time(tmp_path: Path) -> None:
    (tmp_path / "main" / "ltx").mkdir(parents=True)
    command = [str(PROJECT / "ops" / "restore.sh"), str(tmp_path / "main"), str(tmp_path / "copy.db"), "-10m"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "-10m is no TIME" in done.stderr) == (1, True)


def test_a_binary_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no program")
    text.chmod(0o700)
    environment = {**os.environ, "PALAVER_DATA": str(tmp_path), "PALAVER_LITESTREAM": str(text)}
    done = subprocess.run(palaver("snapshots"), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"palaver snapshots: {text} cannot be run: ")


@pytest.mark.parametrize(
    "asked",
    [
        ["--at", "yesterday", "--dry-run"],
        ["--latest"],
        ["--latest", "--dry-run", "--all", "--file", "main"],
        ["--latest", "--in-place", "--json"],
        ["--latest", "--dry-run", "--file", "../main"],
        ["--before", "nonsense", "--dry-run"],
        ["--before", "main:0190c1d2-0000-7000-8000-000000000000/abc", "--dry-run"],
    ],
)
def test_what_is_not_understood_exits_with_2(
    tmp_path: Path, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert restore.main(["--data", str(tmp_path), *asked]) == 2
    assert capsys.readouterr().err.startswith("restore: ")
    told = CliRunner().invoke(app, ["restore", *asked], env={"PALAVER_DATA": str(tmp_path)})
    assert told.exit_code == 2
    assert told.stderr.startswith("palaver restore: ")


@pytest.mark.parametrize(
    "asked",
    [
        "restore conversation main:0190c1d2-0000-7000-8000-000000000000",
        "restore conversation main:0190c1d2-0000-7000-8000-000000000000 --at -1m --from main.db",
        "restore conversation main:0190c1d2-0000-7000-8000-000000000000 --at soon",
        "restore conversation ../x --at -1m",
        "restore persona ../x --at -1m",
        "restore persona main --at -1m",
        "snapshots --file ../x",
        "replicate --anew ../x",
    ],
)
def test_what_other_commands_do_not_understand_exits_with_2(tmp_path: Path, asked: str) -> None:
    told = CliRunner().invoke(app, asked.split(), env={"PALAVER_DATA": str(tmp_path)})
    assert told.exit_code == 2
    assert told.stderr.startswith(f"palaver {asked.split()[0]}: ")
