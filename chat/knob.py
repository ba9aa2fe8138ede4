"""knob: what a setting says of itself, for the reference and for the check of what is given."""

from __future__ import annotations

import msgspec

MAXIMA: dict[str, int] = {
    "port": 65_535,
    "s": 86_400,  # a day
    "ms": 86_400_000,
    "min": 365 * 1440,  # a year
    "h": 3650 * 24,  # ten years
}
"""The most that a setting may be, by its unit."""

MAXIMUM = 2**31 - 1
"""The most of every other unit: what the kernel and SQLite take, whose numbers have 32 bits."""

FILE_BYTES_MAX = 2**40
"""The most where the size of a file is set."""


def knob(
    unit: str, help: str, *, minimum: float | None = None, maximum: int | None = None, secret: bool = False
) -> msgspec.Meta:
    """Describe a setting: its unit, what it does, and whether it must not be shown.

    A number has a `minimum`, and a `maximum` that its unit gives where it has none of its own.
    """
    if minimum is not None and maximum is None:
        maximum = MAXIMA.get(unit, MAXIMUM)
    return msgspec.Meta(ge=minimum, le=maximum, description=help, extra={"unit": unit, "secret": secret})
