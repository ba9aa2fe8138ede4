"""Failures: a mistake of ours becomes error 100 for the client and a traceback in the log."""

from __future__ import annotations

import logging

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat.endpoints.problems import problem_response
from chat.errors import Internal

LOGGER = logging.getLogger("palaver.rest")


class Failures:
    """The innermost of our middleware, so that its answer gets the headers of all the others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            raise
        except Exception:
            request_id = str(scope.get("state", {}).get("request_id", ""))
            LOGGER.exception("request failed", extra={"request_id": request_id, "method": scope["method"]})
            if begun:
                # Half an answer cannot be taken back: the server cuts the connection, and the client knows.
                raise
            await problem_response(Internal(), request_id)(scope, receive, send)
