"""Bringing back one conversation over REST, for whoever runs the server: scope `ops`."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from chat.endpoints.operation import Answer, Asked, Operation
from chat.endpoints.request import body
from chat.endpoints.responses import json_response
from chat.endpoints.rest.status import SCOPE
from chat.errors import BadRequest, PermissionDenied, Unavailable, Unknown
from chat.ids import persona_of
from chat.revival import revive
from chat.store import Revived

RESTORES = "/v1/ops/restores"


class Restore(msgspec.Struct, frozen=True, kw_only=True):
    """Which conversation is brought back, and from which copy: the name of a folder in PALAVER_DATA/restores."""

    conversation_id: str
    copy: str


async def restore(asked: Asked) -> Revived:
    """Write what the copy has and today lacks; raises PermissionDenied without the scope `ops`."""
    if SCOPE not in asked.user.scopes:
        raise PermissionDenied(f"this needs a token with the scope `{SCOPE}`")
    core = asked.core
    wanted = await body(asked.request, Restore, core.settings.body_bytes_max)
    file = core.file_of(wanted.conversation_id)
    archive = core.archives.archive(wanted.copy, persona_of(wanted.conversation_id))
    return await revive(file.writer, archive, wanted.conversation_id, asked.user.id)


def restored(asked: Asked, answer: Revived) -> Response:
    """Answer with what came back."""
    return json_response(answer)


OPERATIONS = (
    Operation(
        method="POST",
        path=RESTORES,
        name="restore_conversation",
        tag="ops",
        summary="Bring back a conversation",
        notes="Needs a token with the scope `ops`, and a copy that `palaver restore conversation` puts there. What "
        "stands already is left as it is: to ask twice changes nothing more.",
        body=Restore,
        example={
            "conversation_id": "main:0199f0c1-2a3b-7c4d-8e5f-60718293a4b5",
            "copy": "temporary-5f1c2d4e",
        },
        act=restore,
        respond=restored,
        answers=(Answer(200, "What came back, and what needed not.", Revived),),
        refusals=(PermissionDenied, Unknown, BadRequest, Unavailable),
    ),
)
