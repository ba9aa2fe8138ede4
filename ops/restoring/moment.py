"""Moments: how a person writes one, and how it is shown. Inside they are Unix milliseconds."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from ops.restoring.refusal import Misused

MS = 1000
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
HOW = "write it as 2026-11-22T14:03Z, 2026-11-22T15:03+01:00, 14:03 (today, UTC) or -10m (s, m, h, d)"

_AGO = re.compile(r"\A-([0-9]{1,7})([smhd])\Z")
_TODAY = re.compile(r"\A[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?\Z")


def now_ms() -> int:
    """Return the time of day."""
    return time.time_ns() // 1_000_000


def parse(text: str, now: int | None = None) -> int:
    """Read a moment; without a zone it is UTC. Raises Misused, with how to write one."""
    today_ms = now_ms() if now is None else now
    ago = _AGO.match(text.strip())
    if ago is not None:
        return today_ms - int(ago[1]) * UNITS_S[ago[2]] * MS
    written = text.strip()
    if _TODAY.match(written):
        written = f"{_datetime(today_ms):%Y-%m-%d}T{written.zfill(len(written) + (written[1] == ':'))}"
    try:
        found = datetime.fromisoformat(written)
    except ValueError as error:
        raise Misused(f"{text!r} is no moment ({error}): {HOW}.") from error
    zoned = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return int(zoned.timestamp() * MS)


def shown(at_ms: int) -> str:
    """Write a moment for a person, to the second, in UTC."""
    return f"{_datetime(at_ms):%Y-%m-%d %H:%M:%S} UTC"


def iso(at_ms: int) -> str:
    """Write a moment for a machine, to the millisecond, in UTC."""
    return f"{_datetime(at_ms):%Y-%m-%dT%H:%M:%S}.{at_ms % MS:03}Z"


def span(duration_ms: int) -> str:
    """Write how long something lasts, in its two largest units."""
    left_s = max(0, duration_ms) // MS
    if not left_s:
        return f"{max(0, duration_ms)} ms"
    parts = []
    for unit, size_s in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left_s = divmod(left_s, size_s)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _datetime(at_ms: int) -> datetime:
    # Counted from the epoch, since fromtimestamp ends where the platform's clock does.
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
