"""Refused: a restore, or a part of one, that is not done."""

from __future__ import annotations

from typing import ClassVar


class Refused(Exception):
    """It was not done, and no database was touched; the message says why and what to do."""

    exit_code: ClassVar[int] = 1


class Misused(Refused):
    """What was asked for is not understood; the message says what can be asked."""

    exit_code = 2
