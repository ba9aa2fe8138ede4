"""The state of the process over REST, for whoever runs it: scope `ops`."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from chat.core import OpenFile
from chat.endpoints.operation import Answer, Asked, Operation
from chat.endpoints.responses import json_response
from chat.errors import PermissionDenied
from chat.health import PartHealth, together
from chat.version import VERSION

SCOPE = "ops"
STATUS = "/v1/ops/status"


class FileStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One database file by its persona: how it writes, and under which generation."""

    name: str
    generation: int
    epoch: str
    kind: str
    since_ms: int
    queue_depth: int
    failure: str


class OpsStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the process is: ok, degraded or failing, and why."""

    version: str
    status: str
    parts: list[PartHealth]
    last_verified_restore_ms: int
    files: list[FileStatus]
    connections: int
    subscriptions: int


async def read_status(asked: Asked) -> OpsStatus:
    """Look at every part; raises PermissionDenied without the scope `ops`."""
    if SCOPE not in asked.user.scopes:
        raise PermissionDenied(f"this needs a token with the scope `{SCOPE}`")
    core = asked.core
    health = together(core.health(), core.last_verified_restore_ms())
    return OpsStatus(
        version=VERSION,
        status=health.status,
        parts=health.parts,
        last_verified_restore_ms=health.last_verified_restore_ms,
        files=[_file_status(name, file) for name, file in core.files.items()],
        connections=len(core.hub.clients),
        subscriptions=core.hub.subscription_count,
    )


def shown(asked: Asked, answer: OpsStatus) -> Response:
    """Answer with the state."""
    return json_response(answer)


def _file_status(name: str, file: OpenFile) -> FileStatus:
    generation = file.store.timeline.current
    return FileStatus(
        name=name,
        generation=generation.number,
        epoch=generation.epoch,
        kind=generation.kind,
        since_ms=generation.since_ms,
        queue_depth=file.writer.queue_depth,
        failure=file.writer.failure,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path=STATUS,
        name="read_status",
        tag="ops",
        summary="Look at the process",
        notes="Needs a token with the scope `ops`.",
        act=read_status,
        respond=shown,
        answers=(Answer(200, "How the process and its files are.", OpsStatus),),
        refusals=(PermissionDenied,),
    ),
)
