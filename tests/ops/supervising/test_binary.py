"""The supervisor takes a litestream that cannot corrupt a WAL, and says why it refuses any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.settings import Settings
from ops.supervising.binary import VERSION_MIN, BinaryRefused, find, usable, version_of
from tests.ops.litestream_world import BINARY


def program(path: Path, script: str) -> Settings:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return Settings(litestream=str(path))


def test_takes_the_one_that_was_installed_with_us() -> None:
    assert usable(Settings()) == BINARY
    assert version_of(BINARY) >= VERSION_MIN


def test_takes_another_that_is_named(tmp_path: Path) -> None:
    settings = program(tmp_path / "mine", "echo v0.6.0")
    assert usable(settings) == find(settings) == tmp_path / "mine"


@pytest.mark.parametrize("said", ["0.5.16", "v0.3.13", "0.4.99"])
def test_refuses_an_old_one_and_says_why_and_what_to_do(tmp_path: Path, said: str) -> None:
    with pytest.raises(BinaryRefused) as refused:
        usable(program(tmp_path / "old", f"echo {said}"))
    message = str(refused.value)
    assert said.removeprefix("v") in message
    assert "0.5.17" in message
    assert "corrupt" in message
    assert "pip install" in message


@pytest.mark.parametrize("script", ["echo hello", "exit 3", "echo 0.5.17; exit 1", "(development build)"])
def test_refuses_what_tells_no_version(tmp_path: Path, script: str) -> None:
    with pytest.raises(BinaryRefused, match="pip install"):
        usable(program(tmp_path / "odd", script))


def test_refuses_a_name_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    for name in (tmp_path / "text", tmp_path / "none"):
        with pytest.raises(BinaryRefused, match="PALAVER_LITESTREAM"):
            usable(Settings(litestream=str(name)))
