"""Conversations over REST: create, list, get, change, delete, leave."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from chat.commands import (
    CreateConversation,
    DeleteConversation,
    GetConversation,
    ListConversations,
    RemoveMember,
    UpdateConversation,
)
from chat.endpoints.operation import Answer, Asked, BodyRule, Operation, Values, body_of, path_of, query_of
from chat.endpoints.responses import json_response, page_response, page_url, place, versioned
from chat.errors import (
    KeyReused,
    PermissionDenied,
    ReplayRefused,
    Unknown,
    UnrecoverablePosition,
    VersionMismatch,
)
from chat.models import Conversation, Listing, User
from chat.store import Changed, Created

TAG = "conversations"
ALL = "/v1/conversations"
ONE = "/v1/conversations/{conversation_id}"
LEAVE = "/v1/conversations/{conversation_id}/leave"


class ConversationCreated(Conversation, frozen=True, kw_only=True, omit_defaults=True):
    """The new conversation as its creator sees it; `duplicate` says that the key had created it before."""

    duplicate: bool


class ConversationPage(msgspec.Struct, frozen=True, kw_only=True):
    """One's conversations by last activity, newest first. `next` is the address of the next page, or null."""

    items: list[Conversation]
    next: str | None


def created(asked: Asked, answer: Created) -> Response:
    """Answer a creation: 201, or 200 for a duplicate."""
    conversation = answer.conversation
    fields = msgspec.structs.asdict(conversation)
    return versioned(
        ConversationCreated(**fields, duplicate=answer.duplicate),
        conversation.version,
        200 if answer.duplicate else 201,
        place("conversations", conversation.conversation_id),
    )


def listed(asked: Asked, answer: Listing) -> Response:
    """Answer with a page of the listing."""
    command = asked.command
    assert isinstance(command, ListConversations)
    following = None
    if answer.next is not None:
        following = page_url(asked.request, kind=command.kind, cursor=answer.next, limit=command.limit)
    return page_response(ConversationPage(items=answer.items, next=following), following)


def shown(asked: Asked, answer: Conversation) -> Response:
    """Answer with one conversation."""
    return versioned(answer, answer.version)


def changed(asked: Asked, answer: Changed) -> Response:
    """Answer a change, with the version that it made."""
    return versioned(answer, answer.version)


def ended(asked: Asked, answer: Changed) -> Response:
    """Answer the end of a conversation or of a membership."""
    return json_response(answer)


def of_oneself(values: Values, user: User) -> Values:
    """Turn a leave into the removal of whoever asks."""
    return {**values, "user": user.id}


OPERATIONS = (
    Operation(
        method="POST",
        path=ALL,
        name="create_conversation",
        tag=TAG,
        summary="Open a conversation",
        notes="The creator becomes the owner. Takes no `seq`: the conversation's first event is 1.",
        command=CreateConversation,
        body=body_of(CreateConversation, ALL),
        example={"members": ["bob"], "title": "Lunch"},
        respond=created,
        answers=(
            Answer(201, "The conversation was created.", ConversationCreated, ("Location", "ETag")),
            Answer(200, "The key had created it before.", ConversationCreated, ("Location", "ETag")),
        ),
        refusals=(Unknown, KeyReused, ReplayRefused),
    ),
    Operation(
        method="GET",
        path=ALL,
        name="list_conversations",
        tag=TAG,
        summary="List one's conversations by last activity",
        command=ListConversations,
        parameters=query_of(ListConversations, ALL),
        respond=listed,
        answers=(Answer(200, "A page, newest first.", ConversationPage, ("Link",)),),
    ),
    Operation(
        method="GET",
        path=ONE,
        name="get_conversation",
        tag=TAG,
        summary="Get one conversation",
        notes="The ETag names the state of title and metadata; what is the reader's own "
        "(read and unread) changes without it.",
        command=GetConversation,
        parameters=path_of(GetConversation, ONE),
        respond=shown,
        answers=(Answer(200, "The conversation as its reader sees it.", Conversation, ("ETag",)),),
        refusals=(Unknown,),
    ),
    Operation(
        method="PATCH",
        path=ONE,
        name="update_conversation",
        tag=TAG,
        summary="Change the title or the metadata",
        notes="What is absent stays, null removes.",
        command=UpdateConversation,
        parameters=path_of(UpdateConversation, ONE),
        body=body_of(UpdateConversation, ONE),
        versioned=GetConversation,
        example={"title": "Dinner"},
        rule=BodyRule(any_of=({"required": ["title"]}, {"required": ["metadata"]})),
        respond=changed,
        answers=(Answer(200, "It was changed.", Changed, ("ETag",)),),
        refusals=(PermissionDenied, Unknown, KeyReused, UnrecoverablePosition, VersionMismatch),
    ),
    Operation(
        method="DELETE",
        path=ONE,
        name="delete_conversation",
        tag=TAG,
        summary="Hide the conversation from everybody",
        notes="Its rows are kept; nobody can open it any more.",
        command=DeleteConversation,
        parameters=path_of(DeleteConversation, ONE),
        respond=ended,
        answers=(Answer(200, "It is hidden.", Changed),),
        refusals=(PermissionDenied, Unknown, KeyReused),
    ),
    Operation(
        method="POST",
        path=LEAVE,
        name="leave_conversation",
        tag=TAG,
        summary="Leave the conversation",
        notes="Takes no body.",
        command=RemoveMember,
        parameters=path_of(RemoveMember, LEAVE),
        compose=of_oneself,
        respond=ended,
        answers=(Answer(200, "The membership has ended.", Changed),),
        refusals=(PermissionDenied, Unknown, KeyReused),
    ),
)
