"""Puts replication together from the settings: supervisor, lease, probe."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chat.replication import LeaseReport
from chat.settings import Settings
from ops.leasing.fenced import Fenced, Leased, Unleased
from ops.leasing.holder import this_process
from ops.leasing.lease import FREE, Lease
from ops.leasing.lease_object import LeaseObject, ObjectFailed
from ops.leasing.place import lease_object
from ops.litestream import Litestream
from ops.replication import Replication
from ops.supervising.alongside import LitestreamAlongside
from ops.supervising.control_socket import LitestreamSocket, SocketFailed
from ops.supervising.place import LitestreamPlace
from ops.supervising.target import target_of

if TYPE_CHECKING:  # `palaver replicate` supervises without opening a file
    from storage.personas import PersonaFiles

LOOK_TIMEOUT_S = 4.0
CHILD_TIMEOUT_S = 2.0
Files = Callable[[], Sequence[Path]]

PORTS = {"sftp": 22, "webdav": 80, "webdavs": 443, "nats": 4222}


def replication_of(settings: Settings, files: PersonaFiles) -> Replication:
    """Make the replication of a server's files; raises BadSetting for a target that cannot be one. Not for `off`."""
    due = asyncio.Event()
    return Replication(
        settings,
        _fenced(settings, files.paths, due.set),
        target_of(settings).shown,
        files.opened,
        _child_answers(settings),
        due,
    )


def leased(settings: Settings, supervisor: Litestream, changed: Callable[[], None]) -> Leased | Unleased:
    """Put the lease before a supervisor, where the store can hold one."""
    stored = lease_object(settings)
    if stored is None:
        return Unleased(supervisor, _connects(settings.replica))
    return Leased(supervisor, Lease(stored, this_process(Path(settings.data))), changed)


def _fenced(settings: Settings, files: Files, changed: Callable[[], None]) -> Fenced:
    """Take the server's own supervisor with its lease, or the one of another process, which holds the lease."""
    if settings.replicate == "inside":
        return leased(settings, Litestream(settings, files), changed)
    stored = lease_object(settings)
    if stored is None:
        return LitestreamAlongside(settings, _connects(settings.replica), LeaseReport(state="none"), changed)
    return LitestreamAlongside(settings, _reads(stored), LeaseReport(state=FREE), changed)


def _child_answers(settings: Settings) -> Callable[[], Awaitable[bool]]:
    path = LitestreamPlace(settings).socket

    async def answers() -> bool:
        socket = LitestreamSocket(path)
        try:
            await socket.info(CHILD_TIMEOUT_S)
        except SocketFailed:
            return False
        finally:
            await socket.close()
        return True

    return answers


def _reads(stored: LeaseObject) -> Callable[[], Awaitable[str]]:
    async def look() -> str:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                await stored.read()
        except (ObjectFailed, TimeoutError) as error:
            return str(error) or f"no answer within {LOOK_TIMEOUT_S:g} s"
        return ""

    return look


def _connects(url: str) -> Callable[[], Awaitable[str]]:
    parts = urlsplit(url)
    port = parts.port or PORTS.get(parts.scheme)

    async def look() -> str:
        if not parts.hostname or port is None:
            return ""
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                _, writer = await asyncio.open_connection(parts.hostname, port)
        except (OSError, TimeoutError) as error:
            return f"{parts.hostname}:{port}: {str(error) or 'no answer'}"
        writer.close()
        return ""

    return look
