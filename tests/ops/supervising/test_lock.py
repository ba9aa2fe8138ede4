"""One supervisor for one folder, and what a dead one left running is ended, but never somebody else's process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.supervising.lock import SupervisedElsewhere, SupervisorLock, _command_line
from tests.ops.litestream_world import alive
from tests.support.waiting import until

SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def spawned() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_a_second_one_is_refused_with_the_pid_and_what_to_do(tmp_path: Path) -> None:
    first, second = SupervisorLock(tmp_path), SupervisorLock(tmp_path)
    assert first.acquire()
    assert not first.acquire()
    with pytest.raises(SupervisedElsewhere, match=f"pid {os.getpid()}.*PALAVER_REPLICATE=alongside"):
        second.acquire()
    first.release()
    assert second.acquire()
    second.release()


async def test_a_litestream_that_was_left_over_is_ended(
    tmp_path: Path, spawned: list[subprocess.Popen[bytes]]
) -> None:
    words = [sys.executable, "-c", SLEEP, "replicate", "-config", f"{tmp_path}/config.json"]
    orphan = subprocess.Popen(words)
    spawned.append(orphan)
    # A process is there before its command line is, by which it is known.
    await until(lambda: _command_line(orphan.pid), "its command line")
    SupervisorLock(tmp_path).note_child(orphan.pid)
    lock = SupervisorLock(tmp_path)
    lock.acquire()
    await until(lambda: not alive(orphan.pid), "the orphan to be gone")
    assert not (tmp_path / "child").exists()
    lock.release()


@pytest.mark.parametrize("words", [[], ["replicate", "-config", "/another/litestream/config.json"]])
def test_a_process_that_got_the_number_since_is_left_alone(
    tmp_path: Path, spawned: list[subprocess.Popen[bytes]], words: list[str]
) -> None:
    other = subprocess.Popen([sys.executable, "-c", SLEEP, *words])
    spawned.append(other)
    SupervisorLock(tmp_path).note_child(other.pid)
    lock = SupervisorLock(tmp_path)
    lock.acquire()
    assert alive(other.pid)
    lock.release()
