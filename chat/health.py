"""PartHealth: how one part of the server is, and what the parts make together."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

OK = "ok"
DEGRADED = "degraded"
FAILING = "failing"


class PartHealth(msgspec.Struct, frozen=True):
    """How one part is; `critical` says that writes fail without it.

    `reason` is shown to everybody. `since_ms` (UTC) is when the part became as it is, 0 where unknown.
    """

    part: str
    ok: bool
    reason: str = ""
    since_ms: int = 0
    critical: bool = True


class Health(msgspec.Struct, frozen=True):
    """How the server is: ok, degraded while writes still work, or failing.

    `last_verified_restore_ms` (UTC) is when the last drill that passed began; 0 where none ever did.
    """

    status: str
    parts: list[PartHealth]
    last_verified_restore_ms: int = 0


def together(parts: Sequence[PartHealth], last_verified_restore_ms: int = 0) -> Health:
    """Judge the whole by its parts: one that fails degrades it, a critical one fails it."""
    broken = [part for part in parts if not part.ok]
    status = FAILING if any(part.critical for part in broken) else DEGRADED if broken else OK
    return Health(status, list(parts), last_verified_restore_ms)
