"""Members over REST: list, add, change the role, remove."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from chat.commands import AddMember, ListMembers, RemoveMember, UpdateMember
from chat.endpoints.operation import Answer, Asked, Operation, body_of, path_of, query_of
from chat.endpoints.responses import json_response, page_response, page_url
from chat.errors import KeyReused, PermissionDenied, Unknown
from chat.models import Member, MemberPage
from chat.store import Changed

TAG = "members"
ALL = "/v1/conversations/{conversation_id}/members"
# A user id may hold slashes: whatever follows belongs to it.
ONE = "/v1/conversations/{conversation_id}/members/{user:path}"


class MemberListing(msgspec.Struct, frozen=True, kw_only=True):
    """The members in order of joining. `next` is the address of the next page, or null."""

    items: list[Member]
    next: str | None


def listed(asked: Asked, answer: MemberPage) -> Response:
    """Answer with a page of members."""
    command = asked.command
    assert isinstance(command, ListMembers)
    following = page_url(asked.request, cursor=answer.next, limit=command.limit) if answer.next else None
    return page_response(MemberListing(items=answer.items, next=following), following)


def added(asked: Asked, answer: Changed) -> Response:
    """Answer an addition: 201, or 200 for a duplicate."""
    return json_response(answer, 200 if answer.duplicate else 201)


def changed(asked: Asked, answer: Changed) -> Response:
    """Answer a change or a removal."""
    return json_response(answer)


OPERATIONS = (
    Operation(
        method="GET",
        path=ALL,
        name="list_members",
        tag=TAG,
        summary="List the members in order of joining",
        command=ListMembers,
        parameters=query_of(ListMembers, ALL),
        respond=listed,
        answers=(Answer(200, "A page of members.", MemberListing, ("Link",)),),
        refusals=(Unknown,),
    ),
    Operation(
        method="POST",
        path=ALL,
        name="add_member",
        tag=TAG,
        summary="Add a member",
        command=AddMember,
        parameters=path_of(AddMember, ALL),
        body=body_of(AddMember, ALL),
        example={"user": "carol"},
        respond=added,
        answers=(
            Answer(201, "The user is a member now.", Changed),
            Answer(200, "The key had added the member before.", Changed),
        ),
        refusals=(PermissionDenied, Unknown, KeyReused),
    ),
    Operation(
        method="PATCH",
        path=ONE,
        name="update_member",
        tag=TAG,
        summary="Give a member another role",
        command=UpdateMember,
        parameters=path_of(UpdateMember, ONE),
        body=body_of(UpdateMember, ONE),
        example={"role": "admin"},
        respond=changed,
        answers=(Answer(200, "The member has that role.", Changed),),
        refusals=(PermissionDenied, Unknown, KeyReused),
    ),
    Operation(
        method="DELETE",
        path=ONE,
        name="remove_member",
        tag=TAG,
        summary="Remove a member",
        command=RemoveMember,
        parameters=path_of(RemoveMember, ONE),
        respond=changed,
        answers=(Answer(200, "The membership has ended.", Changed),),
        refusals=(PermissionDenied, Unknown, KeyReused),
    ),
)
