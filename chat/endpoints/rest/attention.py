"""Who reads, types and is here, over REST."""

from __future__ import annotations

from starlette.responses import Response

from chat.commands import MarkRead, ReadPresence, ShowTyping
from chat.endpoints.operation import Answer, Asked, Operation, body_of, path_of
from chat.endpoints.responses import json_response
from chat.errors import Unknown, UnrecoverablePosition
from chat.presence import Presence
from chat.store import ReadMark

READ = "/v1/conversations/{conversation_id}/read"
TYPING = "/v1/conversations/{conversation_id}/typing"
PRESENCE = "/v1/conversations/{conversation_id}/presence"


def marked(asked: Asked, answer: ReadMark) -> Response:
    """Answer with the read position."""
    return json_response(answer)


def noted(asked: Asked, answer: None) -> Response:
    """Answer without content."""
    return Response(status_code=204)


def present(asked: Asked, answer: Presence) -> Response:
    """Answer with who is here."""
    return json_response(answer)


OPERATIONS = (
    Operation(
        method="PUT",
        path=READ,
        name="mark_read",
        tag="events",
        summary="Say that everything up to a seq was read",
        notes="Never moves back. `version` is that of the message at `seq` as the client saw it.",
        command=MarkRead,
        parameters=path_of(MarkRead, READ),
        body=body_of(MarkRead, READ),
        example={"seq": 7},
        respond=marked,
        answers=(Answer(200, "Where the user has read to, and what is left.", ReadMark),),
        refusals=(Unknown, UnrecoverablePosition),
    ),
    Operation(
        method="POST",
        path=TYPING,
        name="show_typing",
        tag="events",
        summary="Tell the others that one types",
        notes="Takes no body; nothing is stored.",
        command=ShowTyping,
        parameters=path_of(ShowTyping, TYPING),
        respond=noted,
        answers=(Answer(204, "They are told."),),
        refusals=(Unknown,),
    ),
    Operation(
        method="GET",
        path=PRESENCE,
        name="read_presence",
        tag="events",
        summary="Ask who is here now",
        command=ReadPresence,
        parameters=path_of(ReadPresence, PRESENCE),
        respond=present,
        answers=(Answer(200, "Who is connected to the conversation.", Presence),),
        refusals=(Unknown,),
    ),
)
