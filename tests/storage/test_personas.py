"""The files of a data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.observer import NullObserver
from chat.settings import Settings
from storage.personas import PersonaFiles


async def test_the_path_of_a_file_is_absolute_though_the_folder_is_named_relatively(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    files = PersonaFiles(Settings(data="../data"), NullObserver())
    try:
        store = await files.open("main")
        assert store.path == tmp_path / "data" / "main.db"
        assert files.paths() == (store.path,)
    finally:
        await files.close()
