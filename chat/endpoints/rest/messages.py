"""Messages over REST: send, page, get, edit, delete."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from chat.commands import DeleteMessage, EditMessage, GetMessage, ReadHistory, SendMessage
from chat.drafts import ATTACHMENTS_MAX
from chat.endpoints.operation import (
    Answer,
    Asked,
    BodyRule,
    Operation,
    Together,
    Values,
    body_of,
    path_of,
    query_of,
)
from chat.endpoints.preconditions import etag, is_unchanged
from chat.endpoints.responses import page_response, page_url, place, versioned
from chat.errors import (
    KeyReused,
    PermissionDenied,
    ReplayRefused,
    Unknown,
    UnrecoverablePosition,
    VersionMismatch,
)
from chat.models import Message, Page
from chat.store import Changed, Sent

TAG = "messages"
ALL = "/v1/conversations/{conversation_id}/messages"
ONE = "/v1/conversations/{conversation_id}/messages/{seq}"
CURSORS = ("before", "after", "around")
SOMETHING_SAID: tuple[Values, ...] = (
    {"required": ["content"], "properties": {"content": {"minLength": 1}}},
    {"required": ["attachments"], "properties": {"attachments": {"type": "array", "minItems": 1}}},
)
"""In JSON Schema: a message has content or attachments."""


class MessagePage(msgspec.Struct, frozen=True, kw_only=True):
    """A run of messages, ascending, and the conversation's position in the same moment.

    `next` is the address of the page that follows in the direction of reading: older for the newest page and with
    `before`, newer with `after` and `around`. `previous` is that of the page on the other side. Each is null where
    there is no message left. `replicated_seq` is the watermark under `epoch`, if it is known.
    """

    items: list[Message]
    next: str | None
    previous: str | None
    epoch: str
    offset: int
    replicated_seq: int | msgspec.UnsetType = msgspec.UNSET


def sent(asked: Asked, answer: Sent) -> Response:
    """Answer a send: 201, or 200 for a duplicate."""
    location = place("conversations", answer.conversation_id, "messages", answer.seq)
    return versioned(answer, answer.version, 200 if answer.duplicate else 201, location)


def paged(asked: Asked, answer: Page) -> Response:
    """Answer with a page of history."""
    command = asked.command
    assert isinstance(command, ReadHistory)
    following = _leading(asked, command, answer.next, forward=command.goes_forward)
    previous = _leading(asked, command, answer.previous, forward=not command.goes_forward)
    page = MessagePage(
        items=answer.items,
        next=following,
        previous=previous,
        epoch=answer.epoch,
        offset=answer.offset,
        replicated_seq=answer.replicated_seq,
    )
    return page_response(page, following, previous)


def shown(asked: Asked, answer: Message) -> Response:
    """Answer with one message, or 304 where the client has this version already."""
    if is_unchanged(asked.request, answer.version):
        return Response(status_code=304, headers={"etag": etag(answer.version)})
    return versioned(answer, answer.version)


def changed(asked: Asked, answer: Changed) -> Response:
    """Answer an edit or a deletion, with the version that it made."""
    return versioned(answer, answer.version)


def _leading(asked: Asked, command: ReadHistory, seq: int | None, *, forward: bool) -> str | None:
    """Return the address of the page after `seq`, or of the one before it; None leads nowhere."""
    if seq is None:
        return None
    return page_url(asked.request, **{"after" if forward else "before": seq}, limit=command.limit)


OPERATIONS = (
    Operation(
        method="POST",
        path=ALL,
        name="send_message",
        tag=TAG,
        summary="Send a message, exactly once",
        notes="The key is needed: make one for each message, and use it again whenever the answer did not "
        "come. It is permanent: the same key gives the first answer for ever, and is refused (409) with "
        "another content. It comes in the header `Idempotency-Key` or as `client_message_id` in the body: without "
        "either the answer is 400, and with two different ones too. The "
        "answer comes when the message is durable on this machine, or, where `durability` asks for `replicated`, "
        "when it is on the replica too; the answer's `durability` says which of the two is proven. A token with "
        "the scope `assistant` may set `role` to `assistant`, `system` or `tool` too.",
        command=SendMessage,
        parameters=path_of(SendMessage, ALL),
        body=body_of(SendMessage, ALL, optional=("client_message_id",)),
        example={"content": "Hello, Bob"},
        rule=BodyRule(
            limits={
                # A schema of the body cannot say: here or in a header.
                "client_message_id": {
                    "description": "The permanent key of the message, 1 to 128 bytes of UTF-8, made by the client. "
                    "Needed where the header `Idempotency-Key` does not give it."
                },
                "attachments": {"maxItems": ATTACHMENTS_MAX},
                "role": {"enum": ["user"], "description": "Others need the scope `assistant`: see above."},
            },
            any_of=(
                {"required": ["content"], "properties": {"content": {"minLength": 1}}},
                {
                    "required": ["attachments"],
                    "properties": {"attachments": {"type": "array", "minItems": 1}},
                },
            ),
        ),
        respond=sent,
        answers=(
            Answer(201, "The message is stored.", Sent, ("Location", "ETag")),
            Answer(200, "The key had sent it before; this is the first answer.", Sent, ("Location", "ETag")),
        ),
        refusals=(PermissionDenied, Unknown, KeyReused, ReplayRefused, UnrecoverablePosition),
    ),
    Operation(
        method="GET",
        path=ALL,
        name="list_messages",
        tag=TAG,
        summary="Read a page of messages, ascending",
        notes="The newest page without a cursor. Its `next`, and that of a page with `before`, leads to older "
        "messages; that of a page with `after` or `around` to newer ones; `previous` leads the other way. A page "
        "`around` a seq has as many messages on both sides of it; where one side is short, the other fills it. "
        "`epoch` and `offset` are from the same read transaction: subscribing from there leaves no hole.",
        command=ReadHistory,
        parameters=query_of(ReadHistory, ALL),
        together=Together(
            name="anchor",
            fields=CURSORS,
            notes="Where the page lies; the newest page without any of them, and never two at once.",
            rule={"maxProperties": 1},
        ),
        respond=paged,
        answers=(Answer(200, "A page of messages.", MessagePage, ("Link",)),),
        refusals=(Unknown,),
    ),
    Operation(
        method="GET",
        path=ONE,
        name="get_message",
        tag=TAG,
        summary="Get one message or its tombstone",
        command=GetMessage,
        parameters=path_of(GetMessage, ONE),
        respond=shown,
        answers=(
            Answer(200, "The message as it stands today.", Message, ("ETag",)),
            Answer(304, "The client has this version already (If-None-Match).", None, ("ETag",)),
        ),
        refusals=(Unknown,),
    ),
    Operation(
        method="PATCH",
        path=ONE,
        name="edit_message",
        tag=TAG,
        summary="Give a message another content",
        notes="What is absent of the other fields stays, null removes.",
        command=EditMessage,
        parameters=path_of(EditMessage, ONE),
        body=body_of(EditMessage, ONE),
        versioned=GetMessage,
        example={"content": "Hello, Bob!"},
        rule=BodyRule(limits={"attachments": {"maxItems": ATTACHMENTS_MAX}}, any_of=SOMETHING_SAID),
        respond=changed,
        answers=(Answer(200, "It was edited.", Changed, ("ETag",)),),
        refusals=(PermissionDenied, Unknown, KeyReused, UnrecoverablePosition, VersionMismatch),
    ),
    Operation(
        method="DELETE",
        path=ONE,
        name="delete_message",
        tag=TAG,
        summary="Replace a message by its tombstone",
        command=DeleteMessage,
        parameters=path_of(DeleteMessage, ONE),
        versioned=GetMessage,
        respond=changed,
        answers=(Answer(200, "It was deleted; its tombstone stays.", Changed, ("ETag",)),),
        refusals=(PermissionDenied, Unknown, KeyReused, UnrecoverablePosition, VersionMismatch),
    ),
)
