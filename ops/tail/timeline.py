"""One reader's way through a conversation, without input or output: what to ask, keep and draw, and when.

These are the client's duties in the rule of the timeline. A bookmark names the row behind the newest
thing that is shown, and it is kept before that is drawn; a reload stays due until it is done, drops
everything drawn before and begins to count anew; a page is drawn only under the epoch of the
subscription, and events wait while it is in flight.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

from msgspec.structs import replace

from chat.models import RowId
from ops.tail.effects import Draw, Drop, Effect, Keep, Kind
from ops.tail.ending import Lost
from ops.tail.fold import Fold
from ops.tail.records import NOTHING_SEEN, Bookmark
from ops.tail.wire import Ack, Command, Event, Page, Publication, Subscribed, decode_event

EPHEMERAL = ("typing", "read")
HELD_MAX = 10_000
"""Publications that wait for a page at the most; beyond, the connection is given up and all asked again."""


class Contradiction(Exception):
    """What the server shows cannot be joined to what was drawn; only a reload can mend that."""


class Stage(Enum):
    """How far the reader is on this connection."""

    APART = "apart"
    RELOADING = "reloading"
    RECALLING = "recalling"
    LIVE = "live"


class Timeline:
    """The place of one reader; it lives longer than a connection, and its bookmark longer than the process.

    `page_size` messages are loaded at first and at each reload, 0 for none. With `recall`, a reader who
    goes on from his bookmark is first shown as many messages from before it.
    """

    def __init__(self, bookmark: Bookmark, page_size: int, *, recall: bool = False) -> None:
        self.bookmark = bookmark
        self.epoch = ""
        self._page_size = page_size
        self._recall = recall
        self._stage = Stage.APART
        self._fold = Fold()
        self._held: list[Publication] = []
        self._top = NOTHING_SEEN
        self._start = 0

    @property
    def is_live(self) -> bool:
        """Tell whether all that is known is drawn, and what comes is drawn at once."""
        return self._stage is Stage.LIVE

    def part(self) -> None:
        """Take note that the subscription is over: nothing is live, and what was held counts no more."""
        self._stage = Stage.APART
        self._held.clear()

    def subscription(self, channel: str) -> Command:
        """Begin on a new connection: return the subscribe request, with a position unless a reload is due."""
        self.part()
        data: Command = {"ephemeral": EPHEMERAL}
        request: Command = {"channel": channel, "recoverable": True, "positioned": True, "data": data}
        if not self.bookmark.reload_due:
            data["seen"] = self.bookmark.seen
            request |= {"recover": True, "epoch": self.bookmark.epoch, "offset": self.bookmark.offset}
        return request

    def subscribed(self, result: Subscribed) -> Iterator[Effect]:
        """Take the result of the subscription: go on from the bookmark, or make a reload due."""
        self.epoch = result.epoch
        self._top = result.data.top
        if result.recovered and not self.bookmark.reload_due:
            yield from self._go_on(result.publications)
        else:
            yield from self.distrust()
            yield from self._load_anew(result.offset)

    def page_request(self, conversation: str) -> Command | None:
        """Return the page of history that is needed now, if one is."""
        request: Command = {"conversation_id": conversation, "limit": self._page_size}
        match self._stage:
            case Stage.RELOADING:
                return request
            case Stage.RECALLING:
                return request | {"before": self.bookmark.offset + 1}
        return None

    def paged(self, page: Page) -> Iterator[Effect]:
        """Take the page that was asked for, then what was held meanwhile.

        Raises Lost for a page of another epoch than the subscription's: it may tell of another history.
        """
        if page.epoch != self.epoch:
            raise Lost("the conversation moved to another epoch while a page was read")
        events = [decode_event(item) for item in page.items]
        if self._stage is Stage.RELOADING:
            yield from self._reload(events)
        else:
            yield from self._remember(events)
        yield from self._live()

    def published(self, publications: Sequence[Publication]) -> Iterator[Effect]:
        """Take what came live: draw it, or hold it while a page is in flight. Raises Lost for a gap."""
        if self.is_live:
            yield from self._deliver(publications)
        elif self._stage is not Stage.APART:
            self._held.extend(publications)
        if len(self._held) > HELD_MAX:
            raise Lost("too much happened while a page was read")

    def acked(self, ack: Ack) -> Iterator[Effect]:
        """Note the row of an own message. Raises Lost for an ack of another epoch than the subscription's.

        It is drawn when its event comes, in its turn. The row of a duplicate may be older than the epoch
        that its ack names, so only its event can tell which row it is.
        """
        if ack.epoch != self.epoch:
            raise Lost("the conversation moved to another epoch while a line was sent")
        if not ack.duplicate:
            yield from self._keep_seen([RowId(ack.seq, ack.epoch)])

    def distrust(self) -> Iterator[Effect]:
        """Make a reload due, on disk, until it is done."""
        if not self.bookmark.reload_due:
            yield self._keep(replace(self.bookmark, reload_due=True))

    def _go_on(self, missed: Sequence[Publication]) -> Iterator[Effect]:
        if [publication.offset for publication in missed] != list(
            range(self.bookmark.offset + 1, self.bookmark.offset + 1 + len(missed))
        ):
            raise Contradiction("what was missed came with a hole")
        self._held.extend(missed)
        yield from self._keep_seen([self._top], epoch=self.epoch)
        if self._recall and self._page_size and self.bookmark.offset:
            self._stage = Stage.RECALLING
        else:
            yield from self._live()

    def _load_anew(self, offset: int) -> Iterator[Effect]:
        self._stage = Stage.RELOADING
        self._start = offset
        if not self._page_size:
            yield from self._reload([])
            yield from self._live()

    def _reload(self, events: Sequence[Event]) -> Iterator[Effect]:
        self._fold.clear()
        seen = _highest(NOTHING_SEEN, [self._top, *(event.row for event in events)])
        yield self._keep(Bookmark(self.epoch, self._start, seen, reload_due=True))
        yield Drop(self.epoch, self._start)
        yield from self._draw(events)
        yield self._keep(replace(self.bookmark, reload_due=False))

    def _remember(self, events: Sequence[Event]) -> Iterator[Effect]:
        yield from self._keep_seen([event.row for event in events])
        for draw in self._draw(events):
            yield replace(draw, kind=Kind.RECALLED)

    def _live(self) -> Iterator[Effect]:
        self._stage = Stage.LIVE
        self._recall = False
        held, self._held = self._held, []
        yield from self._deliver(held)

    def _deliver(self, publications: Sequence[Publication]) -> Iterator[Effect]:
        """Draw an unbroken run of events; what was delivered before is passed over."""
        offset = self.bookmark.offset
        events: list[Event] = []
        for publication in publications:
            if publication.offset > offset + 1:
                break
            if publication.offset == offset + 1:
                offset = publication.offset
                events.append(decode_event(publication.data))
            elif not publication.offset:
                events.append(decode_event(publication.data))
        yield from self._draw_next(events, offset)
        if any(publication.offset > offset for publication in publications):
            raise Lost(f"event {offset + 1} did not come")

    def _draw_next(self, events: Sequence[Event], offset: int) -> Iterator[Effect]:
        yield from self._keep_seen([event.row for event in events if event.seq])
        yield from self._draw(events)
        if offset > self.bookmark.offset:
            # If this line is lost, the events are delivered once more: that is why it need not wait for
            # the disk.
            yield self._keep(replace(self.bookmark, offset=offset), durable=False)

    def _draw(self, events: Iterable[Event]) -> Iterator[Draw]:
        for event in events:
            if event.seq:
                yield from self._fold.draws(event)
            else:
                yield Draw(Kind.PASSING, event)

    def _keep_seen(self, rows: Iterable[RowId], *, epoch: str = "") -> Iterator[Keep]:
        seen = _highest(self.bookmark.seen, rows)
        moved = replace(self.bookmark, seen=seen, epoch=epoch or self.bookmark.epoch)
        if moved != self.bookmark:
            yield self._keep(moved)

    def _keep(self, bookmark: Bookmark, *, durable: bool = True) -> Keep:
        self.bookmark = bookmark
        return Keep((bookmark,), durable=durable)


def _highest(seen: RowId, rows: Iterable[RowId]) -> RowId:
    for row in rows:
        if row.seq == seen.seq and row.epoch != seen.epoch:
            raise Contradiction(f"row {row.seq} is another one than before")
        if row.seq > seen.seq:
            seen = row
    return seen
