"""Reads inside one transaction: footing, events, pages and lists, for a user who is a member."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

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


class Run(msgspec.Struct, frozen=True):
    """Messages that follow each other, ascending; `older` and `newer` are the seqs that lead on, None at an end."""

    rows: list[Row]
    older: int | None
    newer: int | None


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
    *,
    backward: bool,
) -> Recovered:
    """Read the footing, and the events from the claim's offset on if the rule of the timeline allows it."""
    place = await footing(reader, user, conversation_id, claim.anchor if claim else 0)
    timeline = timeline_now()
    recovers = claim is not None and timeline.recovers(
        claim, Footing(place.first_seq, place.last_seq, place.anchor_generation)
    )
    events: list[AnyEvent] = []
    more = False
    if recovers or (backward and claim is None):
        start = _Start(claim.offset if claim else place.last_seq + 1, backward)
        found = await _events(reader, timeline_now, place, conversation_id, start, events_max + 1)
        events, more = _cut(found, events_max, bytes_max)
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
        run = await _after(reader, place, query.after, limit, bytes_max)
    elif query.around is not None:
        run = await _around(reader, place, query.around, limit, bytes_max)
    else:
        run = await _before(reader, place, query.before, limit, bytes_max)
    timeline = timeline_now()
    following, previous = (run.newer, run.older) if query.goes_forward else (run.older, run.newer)
    return Page(
        items=[rows.message_of(row, query.conversation_id, timeline) for row in run.rows],
        next=following,
        previous=previous,
        epoch=timeline.epoch,
        offset=place.last_seq,
    )


async def message(
    reader: HeldConnection, timeline_now: TimelineNow, user: str, conversation_id: str, seq: int
) -> Message:
    """Read one message; raises Unknown where no message has that seq."""
    place = await footing(reader, user, conversation_id)
    found = await _newer(reader, place, seq - 1, 1)
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


class _Start(NamedTuple):
    """Where events are read from, exclusive, and in which direction."""

    seq: int
    backward: bool


async def _events(
    reader: HeldConnection,
    timeline_now: TimelineNow,
    place: Place,
    conversation_id: str,
    start: _Start,
    limit: int,
) -> list[AnyEvent]:
    """Merge messages and changes by seq: each seq is a row of one of the two tables, so that backward is as easy."""
    after = max(start.seq - 1 - limit, 0) if start.backward else start.seq
    if after >= place.last_seq:
        return []
    asked = {"conversation": place.number, "after": after, "limit": limit}
    messages = await reader.fetch_all("messages", "after", **asked)
    changes = await reader.fetch_all("changes", "after", **asked)
    timeline = timeline_now()
    events: list[AnyEvent] = [rows.message_of(row, conversation_id, timeline) for row in messages]
    events += [rows.event_of(row, conversation_id, timeline) for row in changes]
    if start.backward:
        events = [event for event in events if event.seq < start.seq]
    events.sort(key=lambda event: event.seq, reverse=start.backward)
    return events


def _cut(events: list[AnyEvent], events_max: int, bytes_max: int) -> tuple[list[AnyEvent], bool]:
    room = bytes_max
    for index, event in enumerate(events):
        room -= PUBLICATION_BYTES + len(msgspec.json.encode(event))
        if index >= events_max or (room < 0 and index > 0):
            return events[:index], True
    return events, False


async def _after(reader: HeldConnection, place: Place, after: int, limit: int, bytes_max: int) -> Run:
    found = await _newer(reader, place, after, limit + 1)
    shown = _fitting(found[:limit], bytes_max)
    behind = await _older(reader, place, after + 1, 1) if after >= place.first_seq else []
    first = shown[0][0] if shown else place.last_seq + 1
    return Run(shown, first if behind else None, shown[-1][0] if len(found) > len(shown) else None)


async def _before(
    reader: HeldConnection, place: Place, before: int | None, limit: int, bytes_max: int
) -> Run:
    """Read what is older than `before`; without it, the newest."""
    found = await _older(reader, place, before or place.last_seq + 1, limit + 1)
    shown = _fitting(found[:limit], bytes_max)
    ahead = await _newer(reader, place, before - 1, 1) if before and before <= place.last_seq else []
    last = shown[0][0] if shown else 0
    return Run(shown[::-1], shown[-1][0] if len(found) > len(shown) else None, last if ahead else None)


async def _around(reader: HeldConnection, place: Place, seq: int, limit: int, bytes_max: int) -> Run:
    """Read `seq` and what is on both sides of it; where one side is short, the other fills the page."""
    newer = await _newer(reader, place, seq - 1, limit + 1)
    older = await _older(reader, place, seq, limit + 1)
    above = _fitting(newer[: (limit + 1) // 2], bytes_max // 2)
    below = _fitting(older[: limit - len(above)], bytes_max - _weight(above), at_least=0 if above else 1)
    above = _fitting(newer[: limit - len(below)], bytes_max - _weight(below), at_least=len(above))
    shown = [*below[::-1], *above]
    return Run(
        shown,
        shown[0][0] if len(older) > len(below) else None,
        shown[-1][0] if len(newer) > len(above) else None,
    )


async def _newer(reader: HeldConnection, place: Place, after: int, limit: int) -> list[Row]:
    return await reader.fetch_all("messages", "after", conversation=place.number, after=after, limit=limit)


async def _older(reader: HeldConnection, place: Place, before: int, limit: int) -> list[Row]:
    return await reader.fetch_all("messages", "before", conversation=place.number, before=before, limit=limit)


def _fitting(found: list[Row], bytes_max: int, at_least: int = 1) -> list[Row]:
    """Return as many rows, from the first on, as have room; `at_least` so many of them always have."""
    room = bytes_max
    for index, row in enumerate(found):
        room -= _weight([row])
        if room < 0 and index >= at_least:
            return found[:index]
    return found


def _weight(shown: list[Row]) -> int:
    """Return how many bytes rows take as JSON, about."""
    return sum(
        MESSAGE_BYTES + sum(len(value.encode()) for value in row if isinstance(value, str)) for row in shown
    )
