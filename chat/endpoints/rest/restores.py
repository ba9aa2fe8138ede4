"""Bringing back one conversation, or the file of one persona, over REST, for whoever runs the server: scope `ops`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.responses import Response

from chat.archive import PutBack
from chat.endpoints.operation import Answer, Asked, Operation
from chat.endpoints.request import body, parameters
from chat.endpoints.responses import json_response
from chat.endpoints.rest.status import SCOPE
from chat.errors import BadRequest, PermissionDenied, Unavailable, Unknown
from chat.ids import PERSONA, persona_of
from chat.revival import revive
from chat.store import Revived

RESTORES = "/v1/ops/restores"
PERSONA_RESTORES = "/v1/ops/personas/{persona}/restores"


class Restore(msgspec.Struct, frozen=True, kw_only=True):
    """Which conversation is brought back, and from which copy: the name of a folder in PALAVER_DATA/restores."""

    conversation_id: str
    copy: str


class OfPersona(msgspec.Struct, frozen=True, kw_only=True):
    """Whose file is put back."""

    persona: Annotated[str, msgspec.Meta(pattern=PERSONA.pattern.replace(r"\A", "^").replace(r"\Z", "$"))]


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """The copy that takes the file's place, marked as restored: the name of a folder in PALAVER_DATA/restores."""

    copy: str


async def restore(asked: Asked) -> Revived:
    """Write what the copy has and today lacks; raises PermissionDenied without the scope `ops`."""
    _check_scope(asked)
    core = asked.core
    wanted = await body(asked.request, Restore, core.settings.body_bytes_max)
    file = core.file_of(wanted.conversation_id)
    archive = core.archives.archive(wanted.copy, persona_of(wanted.conversation_id))
    return await revive(file.writer, archive, wanted.conversation_id, asked.user.id)


async def put_back(asked: Asked) -> PutBack:
    """Replace a persona's file while all others are served; raises PermissionDenied without the scope `ops`."""
    _check_scope(asked)
    wanted = await body(asked.request, Whole, asked.core.settings.body_bytes_max)
    return await asked.core.put_back(parameters(asked.request, OfPersona).persona, wanted.copy)


def restored(asked: Asked, answer: Revived | PutBack) -> Response:
    """Answer with what came back."""
    return json_response(answer)


def _check_scope(asked: Asked) -> None:
    if SCOPE not in asked.user.scopes:
        raise PermissionDenied(f"this needs a token with the scope `{SCOPE}`")


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
    Operation(
        method="POST",
        path=PERSONA_RESTORES,
        name="restore_persona",
        tag="ops",
        summary="Put back the file of a persona",
        notes="Needs a token with the scope `ops`, and a copy that `palaver restore persona` puts there. Meanwhile "
        "what is sent to the persona gets a temporary error; afterwards its subscriptions begin anew. The file that "
        "stood there is kept.",
        parameters=OfPersona,
        body=Whole,
        example={"copy": "staging-5f1c2d4e"},
        act=put_back,
        respond=restored,
        answers=(Answer(200, "The file is in place, and served again.", PutBack),),
        refusals=(PermissionDenied, Unknown, BadRequest, Unavailable),
    ),
)
