"""The events feed over REST: everything after a position, for whoever is too far behind for the socket."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from chat.commands import EpochName, Limit, Offset, ReadEvents
from chat.endpoints.operation import Answer, Asked, Operation, Together, Values
from chat.endpoints.responses import page_response, page_url
from chat.errors import BadRequest, Unknown, UnrecoverablePosition
from chat.models import AnyEvent, EventPage, RowId, User

ALL = "/v1/conversations/{conversation_id}/events"


class EventsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """A position, and what the client shows: `seen` of the command in two parameters that go together."""

    conversation_id: str
    epoch: EpochName | UnsetType = UNSET
    offset: Offset | UnsetType = UNSET
    seen_seq: Offset | UnsetType = UNSET
    seen_epoch: EpochName | UnsetType = UNSET
    limit: Limit | UnsetType = UNSET


class EventFeed(msgspec.Struct, frozen=True, kw_only=True):
    """Events after the position, ascending. `next` is the address of those that follow, null at the top."""

    items: list[AnyEvent]
    next: str | None
    epoch: str
    offset: int


def with_seen(values: Values, user: User) -> Values:
    """Join seen_seq and seen_epoch; raises BadRequest for one without the other."""
    seq, epoch = values.pop("seen_seq", None), values.pop("seen_epoch", None)
    if (seq is None) != (epoch is None):
        raise BadRequest("seen_seq and seen_epoch go together")
    if isinstance(seq, int) and isinstance(epoch, str):
        values["seen"] = RowId(seq=seq, epoch=epoch)
    return values


def fed(asked: Asked, answer: EventPage) -> Response:
    """Answer with a page of events."""
    following = _following(asked, answer, answer.next) if answer.next is not None else None
    feed = EventFeed(items=answer.items, next=following, epoch=answer.epoch, offset=answer.offset)
    return page_response(feed, following)


def _following(asked: Asked, answer: EventPage, offset: int) -> str:
    command = asked.command
    assert isinstance(command, ReadEvents)
    # What `seen` proved holds for this page; the next goes on from rows of the epoch that this page names.
    return page_url(asked.request, epoch=answer.epoch, offset=offset, limit=command.limit)


OPERATIONS = (
    Operation(
        method="GET",
        path=ALL,
        name="list_events",
        tag="events",
        summary="Read the events after a position",
        notes="Goes on from `offset` of `epoch` where a subscription with recovery would; where that is not "
        "possible the answer is 410: reload the conversation. `seen_seq` and `seen_epoch` name the highest "
        "row that the client shows, and let it go on after a restore. Without `epoch`, `offset` 0 reads from "
        "the beginning.",
        command=ReadEvents,
        parameters=EventsParameters,
        compose=with_seen,
        together=Together(
            name="seen",
            fields=("seen_seq", "seen_epoch"),
            notes="The highest row behind anything that the client shows; both or none.",
            rule={"dependentRequired": {"seen_seq": ["seen_epoch"], "seen_epoch": ["seen_seq"]}},
        ),
        respond=fed,
        answers=(Answer(200, "A page of events.", EventFeed, ("Link",)),),
        refusals=(Unknown, UnrecoverablePosition),
    ),
)
