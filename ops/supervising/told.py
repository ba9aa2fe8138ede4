"""Told: what `palaver replicate` says of itself to the server beside it. It counts for as long as its writer lives."""

from __future__ import annotations

import fcntl
import logging
import os
import time

import msgspec

from chat.replication import LeaseReport
from ops.restoring.locks import holder
from ops.supervising.place import LitestreamPlace
from ops.supervising.status import LitestreamStatus

TRIES = 5
TRY_PAUSE_S = 0.02
PRIVATE = 0o600

logger = logging.getLogger("palaver.litestream")


class ToldElsewhere(Exception):
    """Another process tells of this folder; the message says what to do."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How litestream is, and who may copy; see Fenced.

    What litestream says proves something until `proves_until_s`, by the clock that counts since the boot.
    """

    status: LitestreamStatus
    lease: LeaseReport
    refusal: str = ""
    proves_until_s: float = 0.0


class Teller:
    """Writes what is told. The kernel frees its lock when the process ends, however it ends."""

    def __init__(self, place: LitestreamPlace) -> None:
        self._place = place
        self._descriptor = -1
        self._last: Told | None = None

    def acquire(self) -> None:
        """Take the lock, and what a dead one told away; raises ToldElsewhere, OSError."""
        descriptor = os.open(self._place.teller, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        for left in reversed(range(TRIES)):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                # Whoever reads holds it for an instant, to learn whether anybody has it.
                if not left:
                    os.close(descriptor)
                    raise ToldElsewhere(
                        f"Another palaver replicate runs for {self._place.folder.parent}; end that one first."
                    ) from error
                time.sleep(TRY_PAUSE_S)
        self._place.told.unlink(missing_ok=True)
        self._descriptor = descriptor

    def tell(self, told: Told) -> None:
        """Write it down, if it is news; what cannot be written is logged, and what was told before runs out."""
        if told == self._last:
            return
        fresh = self._place.told.with_name(f"{self._place.told.name}.new")
        try:
            fresh.write_bytes(msgspec.json.encode(told))
            fresh.replace(self._place.told)
        except OSError as error:
            logger.warning("the server beside this process cannot be told how replication is: %s", error)
        else:
            self._last = told

    def release(self) -> None:
        """Tell nothing any more."""
        if self._descriptor >= 0:
            self._place.told.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


def hear(place: LitestreamPlace) -> Told | None:
    """Return what is told; None where nobody lives who tells, or nothing was told yet."""
    if holder(place.teller) is None:
        return None
    try:
        return msgspec.json.decode(place.told.read_bytes(), type=Told)
    except (OSError, msgspec.DecodeError):
        return None
