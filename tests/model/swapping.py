"""A restore in place by the real swap, that is killed after any of its steps, and finished by whoever comes next."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

from ops.restoring import intent, locks, swap
from ops.restoring.intent import Intent
from ops.restoring.mark import mark
from storage.engine import sqlite3

FILE = "main.db"
NEWEST = "SELECT epoch, kind FROM generations ORDER BY number DESC LIMIT 1"


class Killed(Exception):
    """The restore ends here."""


def restore_in_steps(data: Path, copied: Path, name: str, *, killed_after: int, replays: str) -> str | None:
    """Put a copy in place, and settle what was left; return the epoch of the restore, None if it never came to it."""
    staging = data / "restores" / f"staging-{name}"
    staging.mkdir(parents=True)
    shutil.copyfile(copied, staging / FILE)
    try:
        with locks.held(data, [FILE]):
            _restore(data, staging, f"restores/replaced-{name}", replays, _mortal(killed_after))
    except Killed:
        swap.settle(data)
    with closing(sqlite3.connect(data / FILE)) as connection:
        epoch, kind = connection.execute(NEWEST).fetchone()
    return str(epoch) if kind == "restore" else None


def _restore(data: Path, staging: Path, old: str, replays: str, step: Callable[[str], None]) -> None:
    mark(staging / FILE, "a restore", replays)
    step("it is marked")
    pending = Intent(fresh=f"restores/{staging.name}", old=old, files=(FILE,), replaced=(FILE,), began_ms=0)
    intent.write(data, pending)
    step("the intent is written")
    swap.finish(data, pending, step)


def _mortal(killed_after: int) -> Callable[[str], None]:
    steps = count(1)

    def step(_: str) -> None:
        if next(steps) == killed_after:
            raise Killed

    return step
