"""Reads inside one transaction: footing, events, pages and lists, for a user who is a member."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chat.commands import ListMembers, ReadHistory
from chat.errors import Unknown
from chat.ids import uuid_of
from chat.models import AnyEvent, MemberPage, Message, Page, RowId
from chat.store import Recovered
from chat.timeline import Claim, Footing, Timeline
from storage import rows
from storage.connection import HeldConnection, Row
from storage.listing import read_cursor

SEQ_BEYOND_ALL = 2**62
MESSAGE_BYTES = 256  # what a message weighs as JSON beside its texts, about
PUBLICATION_BYTES = 64  # what an event weighs in a list of publications, beside its own JSON

TimelineNow = Callable[[], Timeline]
"""Returns the timeline when the rows are there: a row may be newer than the timeline was before they were read."""


class Place(msgspec.Struct, frozen=True):
    """A row of conversations.footing: where a conversation stands, for one of its members."""

    number: int
    role: str
    read_seq: int
    first_seq: int
    last_seq: int
    anchor_generation: int | None
    top_generation: int | None

    def top(self, timeline: Timeline) -> RowId:
        """Name the newest row; its epoch is "" where there is none."""
        epoch = "" if self.top_generation is None else timeline.epoch_of(self.top_generation)
        return RowId(seq=self.last_seq, epoch=epoch)


async def footing(reader: HeldConnection, user: str, conversation_id: str, anchor: int = 0) -> Place:
    """Read where a conversation stands; raises Unknown for whoever is not a member."""
    row = await reader.fetch_one(
        "conversations", "footing", user=user, uuid=uuid_of(conversation_id), anchor=anchor
    )
    if row is None:
        raise Unknown
    return Place(*row)


async def recover(
    reader: HeldConnection,
    timeline_now: TimelineNow,
    user: str,
    conversation_id: str,
    claim: Claim | None,
    events_max: int,
    bytes_max: int,
) -> Recovered:
    """Read the footing, and the events after the claim's offset if the rule of the timeline allows it."""
    place = await footing(reader, user, conversation_id, claim.anchor if claim else 0)
    timeline = timeline_now()
    recovers = claim is not None and timeline.recovers(
        claim, Footing(place.first_seq, place.last_seq, place.anchor_generation)
    )
    events: list[AnyEvent] = []
    more = False
    if claim is not None and recovers:
        events, more = await _events(
            reader, timeline_now, place, conversation_id, claim.offset, events_max, bytes_max
        )
    return Recovered(
        epoch=timeline.epoch,
        top=place.top(timeline),
        first_seq=place.first_seq,
        role=place.role,
        read_seq=place.read_seq,
        recovered=recovers,
        events=events,
        more=more,
        beyond_top=claim is not None and claim.epoch == timeline.epoch and claim.offset > place.last_seq,
    )


async def page(
    reader: HeldConnection,
    timeline_now: TimelineNow,
    user: str,
    query: ReadHistory,
    limit: int,
    bytes_max: int,
) -> Page:
    """Read a page of messages, ascending, and the position of the conversation.

    Over `bytes_max` bytes the page ends early, away from its anchor, and `next` leads on; one message always fits.
    """
    place = await footing(reader, user, query.conversation_id)
    if query.after is not None:
        found, more = await _after(reader, place.number, query.after, limit, bytes_max)
        following = found[-1][0] if more else None
    elif query.around is not None:
        found, more = await _around(reader, place.number, query.around, limit, bytes_max)
        following = found[0][0] if more and found else None
    else:
        before = query.before or SEQ_BEYOND_ALL
        found, more = await _before(reader, place.number, before, limit, bytes_max)
        following = found[0][0] if more else None
    timeline = timeline_now()
    items = [rows.message_of(row, query.conversation_id, timeline) for row in found]
    return Page(items=items, next=following, epoch=timeline.epoch, offset=place.last_seq)


async def message(
    reader: HeldConnection, timeline_now: TimelineNow, user: str, conversation_id: str, seq: int
) -> Message:
    """Read one message; raises Unknown where no message has that seq."""
    place = await footing(reader, user, conversation_id)
    found, _ = await _after(reader, place.number, seq - 1, limit=1, bytes_max=0)
    if not found or found[0][0] != seq:
        raise Unknown
    return rows.message_of(found[0], conversation_id, timeline_now())


async def members(reader: HeldConnection, user: str, query: ListMembers, limit: int) -> MemberPage:
    """Read who takes part, in order of joining."""
    after_ms, after_user = read_cursor(query.cursor) or (-1, -1)
    place = await footing(reader, user, query.conversation_id)
    found = await reader.fetch_all(
        "members",
        "listing",
        conversation=place.number,
        after_ms=after_ms,
        after_user=after_user,
        limit=limit + 1,
    )
    shown = found[:limit]
    following = f"{shown[-1][3]}.{shown[-1][4]}" if len(found) > limit else None
    return MemberPage(items=[rows.member_of(row) for row in shown], next=following)


async def _events(
    reader: HeldConnection,
    timeline_now: TimelineNow,
    place: Place,
    conversation_id: str,
    after: int,
    events_max: int,
    bytes_max: int,
) -> tuple[list[AnyEvent], bool]:
    """Merge messages and changes by seq: each seq is a row of one of the two tables."""
    if after >= place.last_seq:
        return [], False
    limit = events_max + 1
    messages = await reader.fetch_all(
        "messages", "after", conversation=place.number, after=after, limit=limit
    )
    changes = await reader.fetch_all("changes", "after", conversation=place.number, after=after, limit=limit)
    timeline = timeline_now()
    events: list[AnyEvent] = [rows.message_of(row, conversation_id, timeline) for row in messages]
    events += [rows.event_of(row, conversation_id, timeline) for row in changes]
    events.sort(key=lambda event: event.seq)
    return _cut(events, events_max, bytes_max)


def _cut(events: list[AnyEvent], events_max: int, bytes_max: int) -> tuple[list[AnyEvent], bool]:
    room = bytes_max
    for index, event in enumerate(events):
        room -= PUBLICATION_BYTES + len(msgspec.json.encode(event))
        if index >= events_max or (room < 0 and index > 0):
            return events[:index], True
    return events, False


async def _after(
    reader: HeldConnection, number: int, after: int, limit: int, bytes_max: int
) -> tuple[list[Row], bool]:
    found = await reader.fetch_all("messages", "after", conversation=number, after=after, limit=limit + 1)
    shown = _fitting(found[:limit], bytes_max)
    return shown, len(found) > len(shown)


async def _before(
    reader: HeldConnection, number: int, before: int, limit: int, bytes_max: int
) -> tuple[list[Row], bool]:
    found = await reader.fetch_all("messages", "before", conversation=number, before=before, limit=limit + 1)
    shown = _fitting(found[:limit], bytes_max)
    return shown[::-1], len(found) > len(shown)


async def _around(
    reader: HeldConnection, number: int, seq: int, limit: int, bytes_max: int
) -> tuple[list[Row], bool]:
    newer, _ = await _after(reader, number, seq - 1, (limit + 1) // 2, bytes_max // 2)
    older, more = await _before(reader, number, seq, limit // 2, bytes_max // 2)
    return older + newer, more


def _fitting(found: list[Row], bytes_max: int) -> list[Row]:
    """Return as many rows, from the first on, as have room; the first always has."""
    room = bytes_max
    for index, row in enumerate(found):
        room -= MESSAGE_BYTES + sum(len(value.encode()) for value in row if isinstance(value, str))
        if room < 0 and index > 0:
            return found[:index]
    return found
