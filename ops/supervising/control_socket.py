"""Litestream's control socket: HTTP over a unix socket, asked with a time limit for everything."""

from __future__ import annotations

import asyncio
import logging
import math
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import msgspec

from ops.supervising.unix_http import UnixHttp

INFO_TIMEOUT_S = 5.0
# Every call of a sync holds a connection; the databases of a file each may have one under way.
CONNECTIONS_MAX = 256

Answer = TypeVar("Answer")

SYNCED = frozenset({"synced", "no_change"})

logger = logging.getLogger("palaver.litestream")


class SocketFailed(Exception):
    """Litestream did not answer on its socket, or refused; the message says what it said."""


class Info(msgspec.Struct, frozen=True):
    """What the child says of itself."""

    version: str
    pid: int
    database_count: int
    uptime_seconds: int = 0


class SyncOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a sync.

    `ok` says that everything committed before the call is on the replica. `status` is Litestream's word (`synced`,
    `no_change`), or empty; `reason` says what went wrong. `no_change` needed no request to the store: it does not show
    that the store is up. Transaction ids are Litestream's own, one for each copied piece.
    """

    ok: bool
    status: str = ""
    reason: str = ""
    txid: int = 0
    replicated_txid: int = 0


class _Synced(msgspec.Struct, frozen=True):
    status: str
    txid: int = 0
    replicated_txid: int = 0


class _Refusal(msgspec.Struct, frozen=True):
    error: str = ""
    details: object = None


class LitestreamSocket:
    """A client of one control socket. Nothing is connected before the first question; close it at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._http = UnixHttp(path, CONNECTIONS_MAX)

    async def close(self) -> None:
        """Close the connections."""
        self._http.close()

    async def info(self, timeout_s: float = INFO_TIMEOUT_S) -> Info:
        """Ask who answers; it does so even while the store is down. Raises SocketFailed."""
        return _decoded(await self._ask("GET", "/info", None, timeout_s), Info)

    async def sync(self, file: Path, timeout_s: float, *, wait: bool = True) -> SyncOutcome:
        """Copy what is committed in `file`, and wait until the store has it; never raises."""
        # Its own limit is in whole seconds, and only the later of the two: ours ends the call.
        body = {"path": str(file), "wait": wait, "timeout": math.ceil(timeout_s) + 1}
        try:
            answer = _decoded(await self._ask("POST", "/sync", body, timeout_s), _Synced)
        except SocketFailed as failed:
            return SyncOutcome(ok=False, reason=str(failed))
        return SyncOutcome(
            ok=wait and answer.status in SYNCED,
            status=answer.status,
            reason="" if answer.status in SYNCED else f"Litestream answered {answer.status}",
            txid=answer.txid,
            replicated_txid=answer.replicated_txid,
        )

    async def let_go(self, file: Path, timeout_s: float) -> None:
        """Make it close a file and leave it alone until it is started anew; what fails is logged."""
        body = {"path": str(file), "timeout": math.ceil(timeout_s)}
        try:
            await self._ask("POST", "/stop", body, timeout_s)
        except SocketFailed as failed:
            logger.warning("Litestream did not let go of %s: %s", file.name, failed)

    async def _ask(self, method: str, path: str, body: object, timeout_s: float) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                status, content = await self._http.ask(
                    method, path, b"" if body is None else msgspec.json.encode(body)
                )
        except TimeoutError as error:
            raise SocketFailed(f"{path} was not answered within {timeout_s:g} s") from error
        except OSError as error:
            raise SocketFailed(
                f"Litestream's socket does not answer: {str(error) or type(error).__name__}"
            ) from error
        if status >= HTTPStatus.BAD_REQUEST:
            raise SocketFailed(f"{path} answered {status}: {_said(content)}")
        return content


def _decoded(content: bytes, wanted: type[Answer]) -> Answer:
    try:
        return msgspec.json.decode(content, type=wanted)
    except msgspec.DecodeError as error:
        raise SocketFailed(f"Litestream's answer is not understood: {error}") from error


def _said(content: bytes) -> str:
    try:
        refusal = msgspec.json.decode(content, type=_Refusal)
    except msgspec.DecodeError:
        return content[:200].decode(errors="replace")
    return f"{refusal.error} {refusal.details}" if refusal.details else refusal.error
