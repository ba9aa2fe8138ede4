"""Resource: all operations on one path as an ASGI application; decodes, asks the session, answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chat.commands import Command
from chat.endpoints.bearer import identify
from chat.endpoints.idempotency import HEADER, key_of, one_key
from chat.endpoints.operation import Asked, Operation, Values, values_of
from chat.endpoints.preconditions import wanted_versions
from chat.endpoints.request import body, core_of, parameters
from chat.errors import BadRequest, Internal, Problem
from chat.models import Conversation, Message, User

if TYPE_CHECKING:
    from chat.session import Session


class Resource:
    """What stands at one address; Starlette has matched path and method before it is called."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = {operation.method: operation for operation in operations}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        request = Request(scope, receive)
        # Starlette routes HEAD as GET; the server leaves the body out.
        method = "GET" if request.method == "HEAD" else request.method
        try:
            response = await answer(self._operations[method], request)
        except ClientDisconnect:
            raise
        except Exception as error:
            core_of(request).observer.refused(error.name if isinstance(error, Problem) else Internal.name)
            raise
        await response(scope, receive, send)


async def answer(operation: Operation, request: Request) -> Response:
    """Carry out one request; raises Problem for whatever is refused. What is no command counts as one."""
    core = core_of(request)
    user = await identify(request, core)
    if operation.act is not None:
        asked = Asked(core, request, user)
        return operation.respond(asked, await operation.act(asked))
    session = core.session(user)
    try:
        command = await _command(operation, request, user, session, core.settings.body_bytes_max)
    except Problem:
        session.admit()
        raise
    return operation.respond(Asked(core, request, user, command), await session.handle(command))


async def _command(
    operation: Operation, request: Request, user: User, session: Session, body_bytes_max: int
) -> Command:
    values: Values = {}
    if operation.parameters is not None:
        values |= values_of(parameters(request, operation.parameters))
    if operation.body is not None:
        values |= values_of(await body(request, operation.body, body_bytes_max))
    if operation.compose is not None:
        values = operation.compose(values, user)
    _settle_key(operation, request, values)
    await _settle_version(operation, request, values, session)
    assert operation.command is not None
    return operation.command(**values)


def _settle_key(operation: Operation, request: Request, values: Values) -> None:
    field = operation.key_field
    if field is None:
        return
    key = one_key(key_of(request), values.get(field), field)
    if key is not None:
        values[field] = key
    elif field == "client_message_id":
        raise BadRequest(
            "a send needs a key: make one for each message (a UUID will do), put it into "
            f"client_message_id or {HEADER}, and use it again whenever the answer did not come"
        )


async def _settle_version(operation: Operation, request: Request, values: Values, session: Session) -> None:
    if operation.method == "GET":
        return
    wanted = wanted_versions(request)
    if not wanted:
        return
    if operation.versioned is None:
        raise BadRequest(
            "If-Match is for what has an ETag and can be changed: messages, and a conversation's title"
        )
    if values.get("version") not in (None, *wanted):
        raise BadRequest("If-Match and version name two different states; send one of them")
    values["version"] = wanted[0] if len(wanted) == 1 else await _todays(operation, wanted, values, session)


async def _todays(operation: Operation, wanted: tuple[str, ...], values: Values, session: Session) -> str:
    # The store compares one version, in its transaction. Of several we hand it today's, if it is among them;
    # where it is not, any of them lets the store say what it would have said of that one alone.
    assert operation.versioned is not None
    names = operation.versioned.__struct_fields__
    today = await session.handle(operation.versioned(**{name: values[name] for name in names}))
    assert isinstance(today, Message | Conversation)
    return today.version if today.version in wanted else wanted[0]
