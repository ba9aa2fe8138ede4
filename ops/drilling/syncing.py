"""Asks the litestream that copies a data folder for a sync, over its control socket."""

from __future__ import annotations

import math
from pathlib import Path

import httpx2
import msgspec

from chat.settings import Settings
from ops.supervising.place import LitestreamPlace

SYNCED = frozenset({"synced", "no_change"})


class NotSynced(Exception):
    """Nothing says that the replica has it all; the message is the reason."""


class _Synced(msgspec.Struct, frozen=True):
    status: str


def socket_of(settings: Settings) -> Path:
    """Return the control socket of the litestream that the supervisor of these settings has started."""
    return LitestreamPlace(settings).socket


def sync(socket: Path, file: Path, timeout_s: float) -> None:
    """Copy what stands in `file`, and wait until the replica has it; raises NotSynced."""
    if not socket.exists():
        raise NotSynced("nobody copies: neither palaver serve nor palaver replicate runs")
    body = {"path": str(file), "wait": True, "timeout": math.ceil(timeout_s)}
    transport = httpx2.HTTPTransport(uds=str(socket), verify=False, trust_env=False)
    try:
        with httpx2.Client(transport=transport, base_url="http://litestream", timeout=timeout_s) as http:
            answer = http.post("/sync", json=body)
        status = msgspec.json.decode(answer.content, type=_Synced).status if answer.is_success else ""
    except (httpx2.TransportError, OSError, msgspec.DecodeError) as error:
        raise NotSynced(f"litestream does not answer ({str(error) or type(error).__name__})") from error
    if status not in SYNCED:
        raise NotSynced(f"the sync was answered {answer.status_code}: {answer.text.strip()[:200]}")
