"""Finding: what one check of the doctor found, and what to do about it."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["ok", "warning", "error"]


class Finding(msgspec.Struct, frozen=True):
    """The outcome of one check: `what` was found on `subject`, and `do` says how to mend it, if it must be.

    A warning lets a server start; an error does not, or means that data is damaged.
    """

    subject: str
    check: str
    level: Level
    what: str
    do: str = ""

    @property
    def ok(self) -> bool:
        """Tell whether there is nothing to do."""
        return self.level == "ok"


def good(subject: str, check: str, what: str) -> Finding:
    """Note that a check found nothing wrong."""
    return Finding(subject, check, "ok", what)


def warning(subject: str, check: str, what: str, do: str) -> Finding:
    """Note what should be mended, and how."""
    return Finding(subject, check, "warning", what, do)


def error(subject: str, check: str, what: str, do: str) -> Finding:
    """Note what must be mended, and how."""
    return Finding(subject, check, "error", what, do)
