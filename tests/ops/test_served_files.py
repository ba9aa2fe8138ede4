"""A put-back that is refused, since another restore stands: it costs nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chat.broker import MemoryBroker
from chat.errors import Unavailable
from chat.hub import Hub
from chat.observer import NullObserver
from chat.replication import NoReplicator
from chat.settings import Settings
from ops.restoring import intent
from ops.restoring.mark import mark
from ops.served_files import ServedFiles
from storage.personas import PersonaFiles
from tests.support.stores import OpenStore

LUNA = "persona_luna.db"


async def test_a_put_back_beside_an_unfinished_restore_is_refused_before_anything_is_given_up(
    tmp_path: Path,
) -> None:
    async with OpenStore(tmp_path / LUNA):
        pass
    copies = tmp_path / "restores/then"
    copies.mkdir(parents=True)
    (copies / LUNA).write_bytes((tmp_path / LUNA).read_bytes())
    mark(copies / LUNA, "a test", "accept")
    let_go: list[str] = []

    async def note(persona: str) -> None:
        let_go.append(persona)

    settings, observer = Settings(data=str(tmp_path), replica="off"), NullObserver()
    files = PersonaFiles(settings, observer)
    served = ServedFiles(
        settings, files, Hub(settings, observer), MemoryBroker(), observer, NoReplicator(), note
    )
    await served.open()
    file = served.opened["luna"]
    epoch, writing = file.store.timeline.epoch, asyncio.create_task(file.writer.run())
    standing = intent.begin(tmp_path, "another", ("main.db",))

    with pytest.raises(Unavailable, match="another restore is not finished"):
        await served.put_back("luna", "then")

    assert let_go == []
    assert (file.writer.failure, file.store.timeline.epoch) == ("", epoch)
    assert intent.read(tmp_path) == standing
    intent.forget(tmp_path)
    assert (await served.put_back("luna", "then")).epoch != epoch
    assert let_go == ["luna"]
    file.writer.close()
    await writing
    await files.close()
