"""Opens, migrates and closes the files of personas. `main` is the first of many."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from chat.ids import MAIN, PERSONA
from chat.observer import Observer
from chat.settings import Settings
from chat.timeline import SWAPPED
from storage.noted import NOTE_EVERY_S
from storage.paths import PREFIX, path_of
from storage.sqlite import SQLiteStore


class PersonaFiles:
    """The database files of one data folder, by persona; their paths are absolute, as Litestream knows them."""

    def __init__(self, settings: Settings, observer: Observer) -> None:
        self._settings = settings
        self._folder = Path(os.path.abspath(settings.data))
        self._observer = observer
        self._open: dict[str, SQLiteStore] = {}
        self._paths: dict[str, Path] = {}

    async def open(self, persona: str) -> SQLiteStore:
        """Open a persona's file, once; see SQLiteStore.open for what it raises."""
        store = self._open.get(persona)
        if store is None:
            store = self._store(persona)
            await store.open()
            self._keep(store)
        return store

    async def open_or_hold(self, persona: str) -> tuple[SQLiteStore, str]:
        """Open a persona's file, or keep it for `reopen` and say why it could not be; raises AlreadyServed."""
        store = self._store(persona)
        failure = await store.open_or_hold()
        self._keep(store)
        return store, failure

    def present(self) -> list[str]:
        """Name the personas whose files are in the data folder, and `main`, which is made where it is not."""
        found = (path.stem.removeprefix(PREFIX) for path in self._folder.glob(f"{PREFIX}*.db"))
        return [MAIN, *sorted(name for name in found if PERSONA.match(name))]

    def opened(self) -> Mapping[str, SQLiteStore]:
        """Return the open files by persona."""
        return self._open

    def paths(self) -> Sequence[Path]:
        """Return the path of every file that was opened, closed ones too: their last commits are still to be copied."""
        return tuple(self._paths.values())

    async def keep_noted(self) -> None:
        """Note now and then how far each open file came, until cancelled."""
        while True:
            await asyncio.sleep(NOTE_EVERY_S)
            for store in list(self._open.values()):
                await store.note()

    async def close(self) -> None:
        """Close every file, the last opened first."""
        while self._open:
            _, store = self._open.popitem()
            await store.close()

    async def optimize(self) -> None:
        """Let SQLite keep the statistics of every open file fit."""
        for store in list(self._open.values()):
            await store.optimize()

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return the bytes of each open file and of its WAL, by file name."""
        return {store.path.name: store.sizes() for store in self._open.values()}

    def swapped(self) -> set[str]:
        """Name the open files that another had taken the place of when they were opened, until their next opening."""
        return {store.path.name for store in self._open.values() if store.timeline.current.kind == SWAPPED}

    def generations(self) -> dict[str, int]:
        """Return the number of each open file's current generation, by file name."""
        return {store.path.name: store.timeline.current.number for store in self._open.values()}

    def _store(self, persona: str) -> SQLiteStore:
        return SQLiteStore(persona, path_of(self._folder, persona), self._settings, self._observer)

    def _keep(self, store: SQLiteStore) -> None:
        self._open[store.persona] = store
        self._paths[store.persona] = store.path
