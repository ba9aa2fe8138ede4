"""A signal between the start of a process and the block that ends it: it takes effect, and leaves no process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.restoring.litestream import Litestream
from ops.restoring.place import Place
from ops.restoring.uninterrupted import held_back
from tests.ops.litestream_world import alive

EXIT_ENDED = 143


@pytest.fixture(autouse=True)
def ended_by_sigterm() -> Iterator[None]:
    """Handle SIGTERM as a command does that cleans up after itself."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_ENDED))
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_signal_waits_for_its_release() -> None:
    seen = []

    def interrupted() -> None:
        with held_back() as release:
            os.kill(os.getpid(), signal.SIGTERM)
            seen.append("before")
            release()
            seen.append("after")

    with pytest.raises(SystemExit):
        interrupted()
    assert seen == ["before"]


def test_a_signal_takes_effect_at_the_end_of_the_block_at_the_latest() -> None:
    seen = []

    def interrupted() -> None:
        with held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            seen.append("whole")

    with pytest.raises(SystemExit):
        interrupted()
    assert seen == ["whole"]


def test_a_signal_while_litestream_is_started_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    class Hurried(subprocess.Popen[bytes]):
        """Is there when the signal comes, and not yet in anybody's hands."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self.pid)
            os.kill(os.getpid(), signal.SIGTERM)

    slow = tmp_path / "litestream"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(subprocess, "Popen", Hurried)

    with pytest.raises(SystemExit):
        Litestream(Place(data=tmp_path, litestream=str(slow)), "main").files()

    assert started
    assert not alive(started[0])
