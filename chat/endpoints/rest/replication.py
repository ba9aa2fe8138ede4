"""Replication over REST, for whoever runs the server: scope `ops`."""

from __future__ import annotations

from starlette.responses import Response

from chat.endpoints.operation import Answer, Asked, Operation
from chat.endpoints.responses import json_response
from chat.endpoints.rest.status import SCOPE
from chat.errors import PermissionDenied
from chat.replication import ReplicationReport

REPLICATION = "/v1/ops/replication"


async def read_replication(asked: Asked) -> ReplicationReport:
    """Look at every copy; raises PermissionDenied without the scope `ops`."""
    if SCOPE not in asked.user.scopes:
        raise PermissionDenied(f"this needs a token with the scope `{SCOPE}`")
    return asked.core.replication()


def shown(asked: Asked, answer: ReplicationReport) -> Response:
    """Answer with the report."""
    return json_response(answer)


OPERATIONS = (
    Operation(
        method="GET",
        path=REPLICATION,
        name="read_replication",
        tag="ops",
        summary="Look at the copies on the replica",
        notes="Needs a token with the scope `ops`.",
        act=read_replication,
        respond=shown,
        answers=(
            Answer(200, "How each file's copy is, who may write there, and what copies.", ReplicationReport),
        ),
        refusals=(PermissionDenied,),
    ),
)
