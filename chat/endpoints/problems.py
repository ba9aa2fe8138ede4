"""Every refusal as a problem document, whoever raised it: an operation, the router, or a mistake of ours."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ExceptionHandler
from starlette.websockets import WebSocket

from chat.errors import (
    BadRequest,
    Internal,
    MethodNotFound,
    NotFound,
    PermissionDenied,
    Problem,
    TooLarge,
    Unauthorized,
)
from chat.protocols.problem_json import encode

HTTP_PROBLEMS: Mapping[int, type[Problem]] = {
    400: BadRequest,
    401: Unauthorized,
    403: PermissionDenied,
    404: NotFound,
    405: MethodNotFound,
    413: TooLarge,
}
"""What stands for a status that the router or a library chose."""


def exception_handlers() -> dict[type[Exception], ExceptionHandler]:
    """Return the handlers for the application."""
    return {Problem: on_problem, HTTPException: on_http_exception}


async def on_problem(connection: Request | WebSocket, error: Exception) -> Response:
    """Answer a refusal of the catalogue."""
    assert isinstance(error, Problem)
    return problem_response(error, request_id_of(connection))


async def on_http_exception(connection: Request | WebSocket, error: Exception) -> Response:
    """Answer what the router raises: no such address, or not with this method."""
    assert isinstance(error, HTTPException)
    problem = HTTP_PROBLEMS.get(error.status_code, Internal)()
    if isinstance(problem, NotFound) and _has_a_slash_too_many(connection):
        problem = NotFound("there is nothing at this address, but there is without the slash at its end")
    if isinstance(problem, MethodNotFound):
        problem = MethodNotFound(
            "that address does not take this method; the Allow header lists those that it takes"
        )
    response = problem_response(problem, request_id_of(connection))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def _has_a_slash_too_many(connection: HTTPConnection) -> bool:
    path: str = connection.scope["path"]
    shorter = {**connection.scope, "path": path.removesuffix("/")}
    routes: list[BaseRoute] = connection.app.routes
    return path.endswith("/") and any(route.matches(shorter)[0] != Match.NONE for route in routes)


def problem_response(problem: Problem, request_id: str) -> Response:
    """Write a problem as a response."""
    answer = encode(problem, request_id)
    return Response(answer.body, answer.status, answer.headers)


def request_id_of(connection: HTTPConnection) -> str:
    """Return the id that the middleware gave the request, empty without the middleware."""
    return str(getattr(connection.state, "request_id", ""))
