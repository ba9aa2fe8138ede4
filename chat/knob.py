"""knob: what a setting says of itself, for the reference and for the check of what is given."""

from __future__ import annotations

import msgspec


def knob(unit: str, help: str, *, minimum: float | None = None, secret: bool = False) -> msgspec.Meta:
    """Describe a setting: its unit, what it does, the least that it may be, and whether it must not be shown."""
    return msgspec.Meta(ge=minimum, description=help, extra={"unit": unit, "secret": secret})
