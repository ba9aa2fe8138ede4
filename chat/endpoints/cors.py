"""Cors: lets the pages of the allow-list call REST from a browser, and tells all others nothing."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat.endpoints.headers import Header, header
from chat.endpoints.origins import ANY, allowed_origins, origin_allowed
from chat.endpoints.problems import problem_response
from chat.errors import PermissionDenied
from chat.settings import Settings

METHODS = "GET, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id"
EXPOSED_HEADERS = "ETag, Link, Location, Retry-After, X-Request-Id"
PREFLIGHT_AGE_S = 600


class Cors:
    """Answers preflights and marks responses. Tokens travel in a header, so credentials are never allowed."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._open = allowed_origins(settings.allowed_origins) is None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = header(scope, b"origin")
        allowed = origin is not None and self._is_allowed(origin, scope)
        if origin is not None and _is_preflight(scope):
            await self._preflight(origin, allowed, scope, receive, send)
            return
        marks = self._marks(origin if allowed else None)

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *marks]}
            await send(message)

        await self._app(scope, receive, marked)

    def _is_allowed(self, origin: str, scope: Scope) -> bool:
        return origin_allowed(origin, header(scope, b"host") or "", self._settings)

    async def _preflight(
        self, origin: str, allowed: bool, scope: Scope, receive: Receive, send: Send
    ) -> None:
        response = _permission() if allowed else _refusal(scope)
        response.raw_headers.extend(self._marks(origin if allowed else None))
        await response(scope, receive, send)

    def _marks(self, origin: str | None) -> list[Header]:
        # Without `*` the answer depends on who asks, which caches in between must know.
        marks: list[Header] = [] if self._open else [(b"vary", b"Origin")]
        if origin is not None:
            shown = ANY if self._open else origin
            marks.append((b"access-control-allow-origin", shown.encode("latin-1")))
            marks.append((b"access-control-expose-headers", EXPOSED_HEADERS.encode()))
        return marks


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method") is not None


def _permission() -> Response:
    headers = {
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": REQUEST_HEADERS,
        "access-control-max-age": str(PREFLIGHT_AGE_S),
    }
    return Response(status_code=204, headers=headers)


def _refusal(scope: Scope) -> Response:
    problem = PermissionDenied("pages of this origin may not call this server")
    return problem_response(problem, str(scope.get("state", {}).get("request_id", "")))
