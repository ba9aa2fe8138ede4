"""Journal: gives every request its id, every response its safe headers, and the log one line about both."""

from __future__ import annotations

import logging
import re
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from chat.endpoints.headers import Header, added, header

LOGGER = logging.getLogger("palaver.rest")

CLIENT_GONE = 499
"""What the log shows for a client that left before its answer; it is never sent."""

SAFE_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
PRIVATE_HEADERS: tuple[Header, ...] = (*SAFE_HEADERS, (b"cache-control", b"no-store"))
"""For what belongs to one user alone: no cache on the way may keep it."""

PRIVATE_PREFIX = "/v1/"
UNMATCHED = "unmatched"

_REQUEST_ID = re.compile(r"\A[A-Za-z0-9._-]{1,64}\Z")


class Journal:
    """Runs around every HTTP request; sockets pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        request_id = request_id_for(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        headers = ((b"x-request-id", request_id.encode()), *_safe_headers(scope["path"]))
        status = CLIENT_GONE

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = added(message, headers)
            await send(message)

        try:
            await self._app(scope, receive, stamped)
        except ClientDisconnect:
            status = CLIENT_GONE
        finally:
            _note(scope, status, time.perf_counter() - started_s)


def request_id_for(scope: Scope) -> str:
    """Return the client's own X-Request-Id where it is fit for a log, else a new one."""
    given = header(scope, b"x-request-id")
    return given if given is not None and _REQUEST_ID.match(given) else str(uuid7())


def _safe_headers(path: str) -> tuple[Header, ...]:
    return PRIVATE_HEADERS if path.startswith(PRIVATE_PREFIX) else SAFE_HEADERS


def _note(scope: Scope, status: int, duration_s: float) -> None:
    route = scope.get("route")
    LOGGER.info(
        "request",
        extra={
            "method": scope["method"],
            # The template says what was asked; whatever else an address holds stays out of the log.
            "route": getattr(route, "path", UNMATCHED),
            "status": status,
            "duration_ms": round(duration_s * 1000, 2),
            "user": scope["state"].get("user", ""),
            "request_id": scope["state"]["request_id"],
        },
    )
