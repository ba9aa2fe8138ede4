"""Refused: a restore, or a part of one, that is not done."""

from __future__ import annotations


class Refused(Exception):
    """It was not done, and no database was touched; the message says why and what to do."""
