"""What a drill found, and the history of drills: one JSON object a line, the newest last."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Literal

import msgspec

Outcome = Literal["pass", "fail", "inconclusive"]
PASS: Outcome = "pass"  # noqa: S105, a word and no password
FAIL: Outcome = "fail"
INCONCLUSIVE: Outcome = "inconclusive"

HISTORY = "drills.jsonl"
# A drill a day for ten years; beyond, the older half goes.
DRILLS_MAX = 4000

LATEST: Literal["latest"] = "latest"
PAST: Literal["past"] = "past"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One restore of one file. Times are ms: moments UTC, else durations.

    `at_ms` is the moment that was asked for, 0 for the latest; `heartbeat_ms` that of the copy's own clock, 0 for none.
    `events` were held against the live database.
    """

    file: str
    moment: Literal["latest", "past"]
    outcome: Outcome
    reason: str = ""
    at_ms: int = 0
    heartbeat_ms: int = 0
    size_bytes: int = 0
    restore_ms: int = 0
    check_ms: int = 0
    events: int = 0


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """One drill.

    `lag_ms` is how long it took until all that was committed when it began was on the replica; 0: unknown.
    """

    began_ms: int
    took_ms: int
    outcome: Outcome
    version: str
    parts: tuple[Part, ...]
    reason: str = ""
    lag_ms: int = 0

    @property
    def restore_ms(self) -> int:
        """Return how long the latest moment of all files took to restore and check."""
        return sum(part.restore_ms + part.check_ms for part in self.parts if part.moment == LATEST)

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all files at the latest moment."""
        return sum(part.size_bytes for part in self.parts if part.moment == LATEST)


def judged(parts: tuple[Part, ...]) -> Outcome:
    """Judge a drill by its parts: one that failed fails it, and one that is inconclusive leaves it so."""
    outcomes = {part.outcome for part in parts}
    if FAIL in outcomes:
        return FAIL
    return PASS if outcomes == {PASS} else INCONCLUSIVE


class History:
    """The drills of one data folder. A line that cannot be read is left out: a crash may have torn the last."""

    def __init__(self, data: Path) -> None:
        self.file = data / HISTORY

    def drills(self) -> list[Drill]:
        """Return all drills, oldest first."""
        try:
            lines = self.file.read_bytes().splitlines()
        except OSError:
            return []
        found = []
        for line in lines:
            with contextlib.suppress(msgspec.DecodeError):
                found.append(msgspec.json.decode(line, type=Drill))
        return found

    def add(self, drill: Drill) -> None:
        """Write a drill down, forced to the disk; raises OSError."""
        drills = self.drills()
        if len(drills) >= DRILLS_MAX:
            self._write([*drills[DRILLS_MAX // 2 :], drill])
            return
        # A torn line has no end: begin on a line of our own.
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, b"\n" * torn + msgspec.json.encode(drill) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def last_verified_ms(self) -> int:
        """Return when the newest drill that passed began (UTC); 0 where none ever did."""
        return max((drill.began_ms for drill in self.drills() if drill.outcome == PASS), default=0)

    def _write(self, drills: list[Drill]) -> None:
        partial = self.file.with_name(self.file.name + ".partial")
        partial.write_bytes(b"".join(msgspec.json.encode(drill) + b"\n" for drill in drills))
        partial.chmod(0o600)
        partial.replace(self.file)
