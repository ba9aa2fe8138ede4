"""Lease: keeps a second machine from replicating to the same place. An object on the replica names the holder, who
renews it; whoever finds it unchanged for as long as it is valid may take it.

Nobody's clock is believed: a holder counts the time since his own renewal, and others watch the object with their own
monotonic clocks. A store without conditional writes makes it weak: two who take it in the same moment find out only by
reading it back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from ops.leasing.holder import Holder, is_dead
from ops.leasing.lease_object import LeaseObject, ObjectFailed, Stored

TTL_S = 15.0
RENEWALS_PER_TTL = 3
OTHERS_TTL_MAX_S = 120.0
ANSWER_TIMEOUT_S = 4.0
READ_BACK_AFTER_S = 2.0
LATE_S = 0.05
WRONG_TAG = '"00000000000000000000000000000000"\t1'

FREE = "free"
HELD = "held"
OTHERS = "others"
LOST = "lost"

logger = logging.getLogger("palaver.lease")


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the object. `renewal` makes every state of it another one."""

    holder: Holder
    renewal: int = 0
    ttl_s: float = TTL_S
    released: bool = False
    at_s: float = 0.0
    """When the holder wrote it, by the clock that counts since the boot: only processes of one machine share it."""


class Lease:
    """The lease of one place for one process; `run` takes and keeps it, `release` gives it back.

    `state` is `free` before the first look, `held`, `others`, or `lost`: that somebody took what was ours. What is
    lost is never taken again: the other's copies now follow another database than ours. `trouble` says why the object
    cannot be reached, and is empty while it can. `weak` says that the store knows no conditions. `exchanged` is set
    when the object is not as we left it, so that the place may hold nothing that was copied there: it was emptied,
    another one was put in its stead, or nobody ever held it.
    """

    def __init__(
        self,
        stored: LeaseObject,
        here: Holder,
        *,
        ttl_s: float = TTL_S,
        read_back_after_s: float = READ_BACK_AFTER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.here = here
        self.state = FREE
        self.trouble = ""
        self.weak = False
        self.other: Holder | None = None
        self.taken = asyncio.Event()
        self.lost = asyncio.Event()
        self.exchanged = asyncio.Event()
        self._stored = stored
        self._ttl_s = ttl_s
        self._read_back_after_s = read_back_after_s
        self._clock = clock
        self._turn = asyncio.Lock()
        self._tag = ""
        self._renewal = 0
        self._renewed_s = 0.0
        self._renewed = 0
        self._tried = False
        self._watched: tuple[bytes, float] = (b"", 0.0)
        self._valid_s = TTL_S

    @property
    def expired(self) -> bool:
        """Tell whether it is held, but was not renewed for so long that another machine may take it."""
        return self.state == HELD and self._clock() > self.valid_until_s

    @property
    def valid_until_s(self) -> float:
        """Return until when nobody else may take it, if it is held, by the clock that counts since the boot."""
        return self._renewed_s + self._ttl_s

    async def run(self, changed: Callable[[], None] = lambda: None) -> None:
        """Take it as soon as it may be had and renew it, until cancelled; call `changed` when its state is another."""
        while True:
            before = self.state, self.trouble
            await self.check()
            if (self.state, self.trouble) != before:
                changed()
            await asyncio.sleep(self._pause_s())

    async def check(self) -> bool:
        """Renew it, or look whether it may be had; tell whether the replica answered. Never raises."""
        async with self._turn:
            try:
                pause_s = 0.0 if self.state == HELD else self._read_back_after_s
                async with asyncio.timeout(ANSWER_TIMEOUT_S + pause_s):
                    await self._step()
            except TimeoutError:
                self._note_trouble(f"no answer within {ANSWER_TIMEOUT_S:g} s")
            except ObjectFailed as error:
                self._note_trouble(str(error))
            else:
                if self.trouble:
                    logger.info("the replica answers again")
                self.trouble = ""
        return not self.trouble

    async def release(self) -> None:
        """Give it back, so that the next one need not wait; what cannot be reached expires."""
        async with self._turn:
            if self.state != HELD:
                return
            self.state = FREE
            self.taken.clear()
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    found = await self._stored.read()
                    if found is not None and self._is_ours(found):
                        await self._replace(self._body(released=True), found.tag)
            except (ObjectFailed, TimeoutError) as error:
                logger.warning(
                    "the lease could not be given back, and expires: %s", str(error) or "no answer"
                )

    async def _step(self) -> None:
        if self.state == HELD:
            await self._renew()
        else:
            await self._try()

    async def _renew(self) -> None:
        started_s = self._clock()
        if self.weak:
            await self._renew_weak(started_s)
            return
        tag = await self._stored.replace(self._body(), self._tag)
        if tag is not None:
            self._note_renewed(tag, started_s)
            return
        found = await self._stored.read()
        self._compare(found)
        if found is None:
            # Whoever tidied the bucket took no lease from us; whoever is faster now did.
            tag = await self._stored.create(self._body())
        elif self._is_ours(found):
            # An earlier renewal was written after all, and only its answer was lost.
            tag = await self._stored.replace(self._body(), found.tag)
        if tag is not None:
            self._note_renewed(tag, started_s)
        else:
            self._note_lost(found)

    async def _renew_weak(self, started_s: float) -> None:
        found = await self._stored.read()
        self._compare(found)
        if found is None or self._is_ours(found):
            self._note_renewed(await self._stored.overwrite(self._body()), started_s)
        else:
            self._note_lost(found)

    async def _try(self) -> None:
        started_s = self._clock()
        found = await self._stored.read()
        if found is not None and not self._may_take(found):
            self._note_other(found)
            return
        if self.state == LOST:
            self.other = None
            return
        tag = await self._take(found)
        if tag is not None:
            self._compare(found)
            self._note_renewed(tag, started_s)
            logger.info("the lease is ours", extra={"weak": self.weak})

    async def _take(self, found: Stored | None) -> str | None:
        """Write ourselves into the object, and learn whether the store heeds conditions; None: somebody was faster."""
        body = self._body()
        tag = await (self._stored.create(body) if found is None else self._stored.replace(body, found.tag))
        unrivalled = found is not None and self._is_unrivalled(found)
        if tag is None:
            return None
        if not self._tried:
            tag = await self._try_conditions(body, tag)
        if not self.weak or unrivalled:
            return tag
        await asyncio.sleep(self._read_back_after_s)
        stands = await self._stored.read()
        return stands.tag if stands is not None and self._is_ours(stands) else None

    async def _try_conditions(self, body: bytes, tag: str) -> str:
        """Learn whether the store refuses what is wrong and takes the tag that it gave; return the tag that stands."""
        refused = (
            await self._stored.create(body) is None and await self._stored.replace(body, WRONG_TAG) is None
        )
        own = await self._stored.replace(body, tag) if refused else None
        self.weak, self._tried = own is None or _is_empty(own), True
        return own or tag

    def _compare(self, found: Stored | None) -> None:
        """Hold what stands there against what we wrote last: it may be gone, or be of before."""
        written = _read(found) if found else None
        if found is None or (
            written is not None and self._is_ours(found) and written.renewal < self._renewed
        ):
            self.exchanged.set()

    async def _replace(self, body: bytes, tag: str) -> None:
        await (self._stored.overwrite(body) if self.weak else self._stored.replace(body, tag))

    def _may_take(self, found: Stored) -> bool:
        written = _read(found)
        if written is not None and (
            written.released or self._is_ours(found) or is_dead(written.holder, self.here)
        ):
            return True
        now_s = self._clock()
        body, since_s = self._watched
        if body != found.body:
            self._watched = (found.body, now_s)
            self._valid_s = min(written.ttl_s if written else TTL_S, OTHERS_TTL_MAX_S)
            return False
        return now_s - since_s > self._valid_s

    def _is_unrivalled(self, found: Stored) -> bool:
        """Tell whether nobody else could take what we just wrote over: its holder served our folder and died, and who
        watches from elsewhere must wait longer than it stood.
        """
        written = _read(found)
        return (
            written is not None
            and not written.released
            and is_dead(written.holder, self.here)
            and written.holder.data == self.here.data
            and 0 <= self._clock() - written.at_s < min(written.ttl_s, OTHERS_TTL_MAX_S)
        )

    def _pause_s(self) -> float:
        """Return how long to wait for the next look: until the renewal is due, or another's lease has run out."""
        pause_s = self._ttl_s / RENEWALS_PER_TTL
        left_s = self._watched[1] + self._valid_s - self._clock()
        return min(pause_s, left_s + LATE_S) if self.state == OTHERS and left_s > 0 else pause_s

    def _is_ours(self, found: Stored) -> bool:
        written = _read(found)
        return written is not None and written.holder.id == self.here.id

    def _body(self, *, released: bool = False) -> bytes:
        self._renewal += 1
        return msgspec.json.encode(
            Written(
                holder=self.here,
                renewal=self._renewal,
                ttl_s=self._ttl_s,
                released=released,
                at_s=self._clock(),
            )
        )

    def _note_renewed(self, tag: str, started_s: float) -> None:
        self._tag, self._renewed_s, self._renewed = tag, started_s, self._renewal
        self.state, self.other = HELD, None
        self.weak = self.weak or _is_empty(tag)
        self.taken.set()

    def _note_other(self, found: Stored) -> None:
        written = _read(found)
        self.other = written.holder if written else None
        if self.state != LOST:
            if self.state != OTHERS:
                logger.warning("somebody else holds the lease: %s", self.other)
            self.state = OTHERS

    def _note_lost(self, found: Stored | None) -> None:
        written = _read(found) if found else None
        self.other = written.holder if written else None
        self.state = LOST
        self.taken.clear()
        self.lost.set()
        logger.error("the lease was taken by %s", self.other)

    def _note_trouble(self, trouble: str) -> None:
        if trouble != self.trouble:
            logger.warning("the replica does not take the lease: %s", trouble)
        self.trouble = trouble


def _is_empty(tag: str) -> bool:
    """Tell whether a tag names no state, so that a condition on it would be none; a bucket's is a separator alone."""
    return not tag.strip()


def _read(found: Stored) -> Written | None:
    try:
        return msgspec.json.decode(found.body, type=Written)
    except msgspec.DecodeError:
        return None
