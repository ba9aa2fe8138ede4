"""Generations: every opening of a file for writing adds its row before the first write."""

from __future__ import annotations

import secrets
import time
from typing import Any

import sql
from chat.timeline import START, UNCLEAN, Generation, Timeline

EPOCH_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
EPOCH_CHARACTERS = 8  # 41 bits: two openings of one file never meet

STATEMENTS = sql.load("generations")


def begin(connection: Any, cause: str, synchronous: str, kind: str | None = None) -> Timeline:
    """Add a generation and return the timeline that it ends.

    Without a `kind` it is a start, or unclean where the last one did not end while commits were not fsynced.
    """
    last = connection.execute(STATEMENTS["newest"]).fetchone()
    unclean = last is not None and last[2] is None and last[1] != "full"
    connection.execute(
        STATEMENTS["begin"],
        {
            "epoch": new_epoch(),
            "kind": kind or (UNCLEAN if unclean else START),
            "since_ms": _now_ms(),
            "cause": cause,
            "synchronous": synchronous,
        },
    )
    return read(connection)


def end(connection: Any, number: int) -> None:
    """Note that a generation ended cleanly."""
    connection.execute(STATEMENTS["end"], {"number": number, "ended_ms": _now_ms()})


def read(connection: Any) -> Timeline:
    """Read the timeline of a file."""
    return Timeline(
        [
            Generation(
                number=number,
                epoch=epoch,
                kind=kind,
                since_ms=since_ms,
                cause=cause,
                replays=replays,
                ledger=ledger,
            )
            for number, epoch, kind, since_ms, cause, replays, ledger in connection.execute(STATEMENTS["all"])
        ]
    )


def new_epoch() -> str:
    """Make the random name of a generation."""
    return "".join(secrets.choice(EPOCH_ALPHABET) for _ in range(EPOCH_CHARACTERS))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
