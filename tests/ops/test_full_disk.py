"""Commands on a full disk: each says which disk that is and what to do, and leaves what is there as it was."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from chat.store import StoreFailed
from ops.restoring import disk
from ops.restoring.refusal import Refused
from storage.engine import sqlite3
from tests.faults import disks
from tests.ops.restoring.replicated import Replicated, place_in
from tests.support.ports import free_port
from tests.support.server import PROJECT, palaver
from tests.support.stores import OpenStore

DISK_MIB = 8
TIMEOUT_S = 60.0
NO_ROOM = "has 0 MiB free, and the copies need about 16 MiB"
NO_START = "A unit that gave up needs systemctl reset-failed palaver"
FULL = "is full"
ID = "main:0190c1d2-0000-7000-8000-000000000000"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def data(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """A data folder, with copies, on a disk without a byte left."""
    folder = tmp_path_factory.mktemp("full")
    with disks.small_disk(folder / "disk", DISK_MIB) as small:
        place = place_in(folder)
        async with OpenStore(place.data / "main.db") as store:
            with Replicated(place):
                await store.create("alice")
        shutil.copytree(place.data, small / "data")
        (small / "data" / "secret").write_text("s" * 64)
        (small / "data" / "secret").chmod(0o600)
        with disks.full(small):
            yield small / "data"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("restore --latest --in-place --yes", NO_ROOM),
        ("restore --latest --dry-run", NO_ROOM),
        (f"restore conversation {ID} --at -0s --yes", NO_ROOM),
        (f"restore conversation {ID} --from {{data}}/main.db --yes", FULL),
        ("serve", NO_START),
        ("migrate", FULL),
    ],
)
async def test_a_full_disk_is_told_with_what_to_do(data: Path, command: str, told: str) -> None:
    done = run(data, palaver(*command.format(data=data).split()))
    assert done.returncode == 1
    assert told in done.stderr
    assert f"disk of {data}" in done.stderr
    assert "Make room" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Errno" not in done.stderr
    assert not list((data / "restores").glob("staging-*"))


async def test_a_full_disk_is_told_by_the_program_that_needs_nothing(data: Path) -> None:
    restore = [sys.executable, str(PROJECT / "ops" / "restore.py"), "--latest", "--in-place", "--yes"]
    done = run(data, restore)
    assert done.returncode == 1
    assert NO_ROOM in done.stderr


async def test_a_drill_on_a_full_disk_proves_nothing_and_says_why(data: Path) -> None:
    done = run(data, palaver("drill"))
    assert done.returncode == 75
    assert f"The disk of {data} is full" in done.stdout + done.stderr
    assert "Errno" not in done.stdout + done.stderr


async def test_a_machine_whose_new_disk_is_too_small_is_told_so(data: Path) -> None:
    (data / "main.db").rename(data / "aside")
    try:
        done = run(data, palaver("serve", "--restore-if-missing"))
    finally:
        (data / "aside").rename(data / "main.db")
    assert done.returncode == 1
    assert NO_ROOM in done.stderr


def test_a_full_disk_is_known_by_all_its_names(tmp_path: Path) -> None:
    for error in (
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        sqlite3.OperationalError("database or disk is full"),
        StoreFailed("main.db cannot be opened: database or disk is full"),
    ):
        assert disk.explained(error, tmp_path).startswith(f"The disk of {tmp_path} is full (")
    assert disk.explained(sqlite3.OperationalError("disk I/O error"), tmp_path) == "disk I/O error"


def test_what_else_is_wrong_with_a_file_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "restores").touch()
    with (
        pytest.raises(Refused, match=rf"{tmp_path}/restores: File exists. Mend that"),
        disk.refusing(tmp_path),
    ):
        (tmp_path / "restores").mkdir()
    with pytest.raises(Refused, match=rf"{tmp_path}: Input/output error. Mend that"), disk.refusing(tmp_path):
        raise OSError(errno.EIO, "Input/output error")


def run(data: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PALAVER_")}
    return subprocess.run(
        command,
        cwd=PROJECT,
        env=inherited | {"PALAVER_DATA": str(data), "PALAVER_PORT": str(free_port())},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
