"""One life of the litestream process: what is told where it cannot even begin."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ops.supervising.child import LitestreamChild


async def test_a_program_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "litestream"
    binary.write_text("no program")
    child = await LitestreamChild.start(binary, (), {}, ())
    assert await child.wait() == (1, f"it exited with 1: {binary} cannot be run: Permission denied")


async def test_a_python_that_cannot_be_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path))
    with pytest.raises(OSError, match=str(tmp_path)):
        await LitestreamChild.start(Path("/bin/true"), (), {}, ())
