"""Heartbeat: a row that the server writes now and then, so that a copy of the file tells which moment it shows."""

from __future__ import annotations

from typing import Any

import sql

META = sql.load("meta")


def beat(connection: Any, now_ms: int) -> None:
    """Write down that it is `now_ms` (Unix milliseconds), in a transaction of its own."""
    connection.execute(META["heartbeat"], {"now_ms": str(now_ms)})
