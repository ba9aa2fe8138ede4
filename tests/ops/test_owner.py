"""Commands that root starts on a folder of somebody else: what they leave there is the owner's, as are they."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from ops import restore
from ops.cli import app
from ops.restoring import moment
from ops.restoring.owner import become
from ops.restoring.refusal import Misused
from ops.verbs import VERBS
from tests.ops.restoring.replicated import Replicated, place_in
from tests.support.ports import free_port
from tests.support.server import PROJECT, Server, palaver
from tests.support.stores import OpenStore

NOBODY = 65534
STRANGER = 4242
TIMEOUT_S = 60.0
ONCE = (
    "migrate",
    "token --user alice",
    "doctor",
    "status",
    "snapshots",
    "backup",
    "drill",
    "vacuum",
    "restore --latest --dry-run",
    "restore --latest --in-place --yes",
    "restore conversation {conversation} --at {at} --yes",
)
UNTIL_STOPPED = ("serve", "replicate")
BECOME = """
import os, subprocess, sys
user = int(sys.argv[1])
os.setgroups([])
os.setgid(user)
os.setuid(user)
subprocess.run([sys.executable, "-c", "import ops.serve"], check=True)
"""
KEEPING = (
    "setpriv",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--securebits=+no_setuid_fixup",
    "--",
)
"""Lets the next user read an interpreter that lies in root's home; the files that he makes are his all the same."""
ELSEWHERE = {"tail"}
"""What does not work in the data folder."""


@cache
def _way() -> tuple[int, tuple[str, ...]]:
    """Return a user that root's commands can become here, and what stands before them for that; else ourselves."""
    for before in ((), KEEPING):
        tried = [*before, sys.executable, "-c", BECOME, str(NOBODY)]
        if os.geteuid() == 0 and subprocess.run(tried, cwd=PROJECT, capture_output=True).returncode == 0:
            return NOBODY, before
    return os.geteuid(), ()


class World:
    """A data folder with a database and its copies, all of which belong to `owner`, and a conversation in it."""

    def __init__(self, data: Path, conversation: str, at: str) -> None:
        self.data, self.conversation, self.at = data, conversation, at
        self.owner, self._before = _way()
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PALAVER_")
        }
        self.environment |= {"PALAVER_DATA": str(data), "PALAVER_PORT": str(free_port())}

    def give(self) -> None:
        """Give everything to the owner."""
        for path in (self.data.parent, self.data, *self.data.rglob("*")):
            os.chown(path, self.owner, self.owner if os.geteuid() == 0 else -1)

    def strangers(self) -> list[Path]:
        """Name what is not the owner's."""
        return [path for path in self.data.rglob("*") if path.lstat().st_uid != self.owner]

    def command(self, command: list[str]) -> list[str]:
        """Write a command so that the owner can go on with it."""
        return [*self._before, *command]

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(command),
            cwd=PROJECT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )

    def is_told(self, said: str) -> bool:
        """Tell whether a command said that it became another, which it must where that is one."""
        return ("not as root" in said) == (self.owner != os.geteuid())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made() -> AsyncIterator[World]:
    # Not below pytest's own folder, which nobody else may enter.
    with tempfile.TemporaryDirectory() as folder:
        place = place_in(Path(folder))
        async with OpenStore(place.data / "main.db") as store:
            conversation = await store.create("alice", "bob")
            with Replicated(place) as replicated:
                await store.send("alice", conversation, "one")
                at = moment.iso(replicated.sync())
                await store.delete("alice", conversation, 1)
        yield World(place.data, conversation, at)


@pytest.fixture
def world(made: World) -> Iterator[World]:
    """A folder of its own for each test."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        shutil.copytree(made.data, data)
        world = World(data, made.conversation, made.at)
        world.give()
        yield world


def test_every_verb_is_tried() -> None:
    assert {command.split()[0] for command in (*ONCE, *UNTIL_STOPPED)} | ELSEWHERE == set(VERBS)


@pytest.mark.parametrize("command", ONCE)
def test_what_a_command_leaves_is_the_owners(world: World, command: str) -> None:
    told = command.format(conversation=world.conversation, at=world.at)
    done = world.run(palaver(*shlex.split(told)))
    assert "Traceback" not in done.stderr
    assert done.returncode in ((0, 1, 75) if command in {"doctor", "status", "drill"} else (0,)), done.stderr
    assert world.strangers() == []
    assert world.is_told(done.stderr), done.stderr


@pytest.mark.parametrize("verb", UNTIL_STOPPED)
def test_what_runs_until_it_is_stopped_runs_as_the_owner(world: World, verb: str) -> None:
    with subprocess.Popen(
        world.command(palaver(verb)),
        cwd=PROJECT,
        env=world.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        extra_groups=[STRANGER] if os.geteuid() == 0 else None,
    ) as process:
        assert process.stdout is not None
        said = ""
        while "replica" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        users, groups = _ids_of(process.pid, "Uid"), _ids_of(process.pid, "Groups")
        process.send_signal(signal.SIGTERM)
        said += process.communicate(timeout=TIMEOUT_S)[0]
    assert users == {world.owner}
    assert STRANGER not in groups or world.owner == os.geteuid()
    assert world.strangers() == []
    assert world.is_told(said), said


def test_the_program_that_needs_nothing_leaves_what_is_the_owners(world: World) -> None:
    (world.data / "main.db").unlink()
    done = world.run([sys.executable, str(PROJECT / "ops" / "restore.py"), "--latest", "--in-place", "--yes"])
    assert done.returncode == 0, done.stderr
    assert (world.data / "main.db").exists()
    assert world.strangers() == []
    assert world.is_told(done.stderr)


def test_the_shell_leaves_what_is_the_owners(world: World) -> None:
    script, output = str(PROJECT / "ops" / "restore.sh"), world.data / "copy.db"
    assert world.run([script, str(world.data / "replica" / "main"), str(output)]).returncode == 0
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert world.strangers() == []


async def test_a_conversation_comes_back_beside_a_server_that_is_another_user(world: World) -> None:
    server = await Server.start(
        world.data, command=world.command(palaver("serve")), replica=world.data / "replica"
    )
    try:
        world.environment |= {"PALAVER_PORT": str(server.port)}
        words = ("restore", "conversation", world.conversation, "--at", world.at, "--yes")
        done = await asyncio.to_thread(world.run, palaver(*words))
        assert done.returncode == 0, done.stderr
        assert "1 messages stand again" in done.stdout
    finally:
        await server.close()
    assert world.strangers() == []


def test_a_backup_is_put_where_its_new_folder_belongs(world: World) -> None:
    new = world.data.parent / "new"
    new.mkdir()
    os.chown(new, world.owner, -1)
    assert world.run(palaver("backup")).returncode == 0
    done = world.run(palaver("backup", "--restore", "--to", str(new)))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in new.iterdir() if path.stat().st_uid != world.owner] == []
    assert (new / "main.db").exists()


def test_help_asks_nobody_who_he_is(world: World) -> None:
    done = world.run(palaver("drill", "--help"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ONCE)
def test_another_user_is_told_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    a_strangers(tmp_path, monkeypatch)
    monkeypatch.setattr(sys, "argv", ["/opt/palaver", "drill"])
    words = command.format(conversation="main:0190c1d2-0000-7000-8000-000000000000", at="-10m").split()
    refused = CliRunner().invoke(app, words, env={"PALAVER_DATA": str(tmp_path)})
    assert refused.exit_code == 2
    assert "/opt/palaver drill" in refused.stderr.partition("Type: sudo -E -u ")[2]
    assert list(tmp_path.iterdir()) == []


def test_another_user_of_the_program_that_needs_nothing_is_told_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a_strangers(tmp_path, monkeypatch)
    assert restore.main(["--data", str(tmp_path), "--latest", "--dry-run"]) == 2
    assert "Type: sudo -E -u " in capsys.readouterr().err


def test_root_that_may_not_become_another_is_told_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def may_not(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    a_strangers(tmp_path, monkeypatch)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for name in ("initgroups", "setgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, name, may_not)
    if tmp_path.stat().st_uid == 0:
        os.chown(tmp_path, STRANGER, -1)
    with pytest.raises(
        Misused, match=r"may not become .*Operation not permitted.*sudo -E -u .* palaver drill"
    ):
        become(tmp_path, ["palaver", "drill"])


def test_a_folder_that_root_lends_is_worked_in(monkeypatch: pytest.MonkeyPatch) -> None:
    lent = Path("/tmp")  # noqa: S108, root's, and everybody may write there
    assert lent.stat().st_uid == 0
    assert lent.stat().st_mode & stat.S_IWOTH
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    assert become(lent, ["palaver"]) == ""


def test_a_folder_that_is_not_there_has_no_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    assert become(tmp_path / "none", ["palaver"]) == ""


def a_strangers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder somebody else's, or us somebody else."""
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, -1)
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)


def _ids_of(pid: int, kind: str) -> set[int]:
    """Return what a process may act as: its users, or its groups beside the first."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return set(map(int, next(line for line in status if line.startswith(f"{kind}:")).split()[1:]))
