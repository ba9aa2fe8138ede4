"""The files that a server has open, each with its writer and its watermark; one is put back while others are served."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from chat.archive import PutBack
from chat.broker import Broker
from chat.core import OpenFile
from chat.errors import INSUFFICIENT_STATE, BadRequest, Unavailable, Unknown
from chat.hub import Hub
from chat.ids import MAIN
from chat.observer import Observer, ReplicationObserver
from chat.replication import Replicator
from chat.settings import Settings
from chat.store import StoreFailed
from chat.watermark import Watermark
from chat.writer import Writer
from ops.restoring import intent, swap
from ops.restoring.mark import SUFFIX, restored_epoch
from ops.restoring.refusal import Refused
from storage.archives import find_copy
from storage.personas import PersonaFiles
from storage.sqlite import SQLiteStore

LetGo = Callable[[str], Awaitable[None]]

logger = logging.getLogger("palaver.restore")


class Observers(Observer, ReplicationObserver, Protocol):
    """Whoever is told of writes and reads, and of how the watermarks move."""


class ServedFiles:
    """The open files of one server by persona, in `opened`; whoever opens them runs each one's writer and watermark."""

    def __init__(
        self,
        settings: Settings,
        files: PersonaFiles,
        hub: Hub,
        broker: Broker,
        observer: Observers,
        replicator: Replicator,
        let_go: LetGo,
    ) -> None:
        """Prepare; `let_go` keeps whoever copies a persona's file from it, since another one will take its place."""
        self._settings = settings
        self._files = files
        self._hub = hub
        self._broker = broker
        self._observer = observer
        self._replicator = replicator
        self._let_go = let_go
        self._data = Path(settings.data).absolute()
        self._one = asyncio.Lock()
        self.opened: dict[str, OpenFile] = {}

    async def open(self) -> None:
        """Open every file that is in the data folder; see SQLiteStore.open for what it raises.

        A persona's file that cannot be opened keeps nobody else from being served: its writer is off until it can be.
        """
        for persona in self._files.present():
            if persona == MAIN:
                store, failure = await self._files.open(persona), ""
            else:
                store, failure = await self._files.open_or_hold(persona)
            watermark = Watermark(
                persona, store, self._replicator, self._broker, self._observer, self._settings
            )
            reopened = partial(self._begin_anew, f"{persona}:")
            writer = Writer(store, self._broker, self._observer, self._settings, reopened, watermark.note)
            if failure:
                writer.begin_off(failure)
            self.opened[persona] = OpenFile(store, writer, watermark)

    async def put_back(self, persona: str, copy: str) -> PutBack:
        """Replace a persona's file by a copy in `restores` that is marked as restored, while the others go on.

        Raises Unknown where there is no such file or copy, BadRequest for `main` and for a copy without a mark, and
        Unavailable where it could not be done. A server that dies meanwhile finishes it at its next start.
        """
        if persona == MAIN:
            raise BadRequest("main is everybody's file: stop the server, and restore it in place")
        file, store = self.opened.get(persona), self._files.opened().get(persona)
        if file is None or store is None:
            raise Unknown("this server has no file of that persona open")
        marked = find_copy(self._data, copy, store.path.name + SUFFIX)
        try:
            epoch = await asyncio.to_thread(restored_epoch, marked)
        except Refused as refused:
            raise BadRequest(str(refused)) from refused
        await self._refuse_second()
        replaced: list[str] = []
        await asyncio.shield(
            file.writer.stand_aside(lambda: self._exchange(persona, store, copy, replaced.append))
        )
        if not store.timeline.knows(epoch):
            raise Unavailable(
                "the copy was lost, and what was there before is served again; restore it again"
            )
        logger.warning("%s was put back", store.path.name, extra={"epoch": epoch})
        return PutBack(persona=persona, epoch=epoch, replaced=replaced[0])

    async def _exchange(
        self, persona: str, store: SQLiteStore, copy: str, replaced: Callable[[str], None]
    ) -> None:
        """Exchange a file that nobody writes to; one at a time, since one intent is all that a start can settle."""
        async with self._one:
            await asyncio.to_thread(self._look_for_intent)  # before Litestream is told to leave the file
            await self._let_go(persona)
            # From here on nothing may be written to the old file: a start that finds the intent carries it out.
            replaced(await asyncio.to_thread(self._intend, store.path.name, copy))
            await store.exchange(self._settle)

    async def _refuse_second(self) -> None:
        """Raise Unavailable while another restore stands, before it costs anything."""
        async with self._one:
            try:
                await asyncio.to_thread(self._look_for_intent)
            except StoreFailed as error:
                raise Unavailable(str(error)) from error

    def _look_for_intent(self) -> None:
        try:
            standing = intent.read(self._data)
        except Refused as error:
            raise StoreFailed(str(error)) from error
        if standing is not None:
            raise StoreFailed("another restore is not finished; the next start of the server settles it")

    def _intend(self, file: str, copy: str) -> str:
        try:
            return str(self._data / intent.begin(self._data, copy, (file,)).old)
        except (Refused, OSError) as error:
            raise StoreFailed(f"{file} was not put back: {error}") from error

    def _settle(self) -> None:
        try:
            swap.resolve(self._data)
        except (Refused, OSError) as error:
            raise StoreFailed(str(error)) from error

    def _begin_anew(self, prefix: str) -> None:
        self._hub.end_all(lambda channel: channel.startswith(prefix), INSUFFICIENT_STATE)


async def nobody_to_tell(persona: str) -> None:
    """Do nothing: nobody copies."""
