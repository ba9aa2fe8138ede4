"""The door of real-time clients: /connection/websocket, from the upgrade to the last frame."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chat.core import Core
from chat.endpoints.addresses import client_address
from chat.endpoints.asgi_connection import AsgiConnection
from chat.endpoints.connection import CONNECTION_EXTENSION, Connection
from chat.endpoints.origins import origin_allowed
from chat.endpoints.socket import Socket
from chat.endpoints.sockets import Sockets
from chat.errors import INAPPROPRIATE_PROTOCOL, Disconnect, UpgradeRequired

JSON_SUBPROTOCOL = "centrifuge-json"
PROTOBUF_SUBPROTOCOL = "centrifuge-protobuf"
PROTOBUF_QUERIES = (b"format=protobuf", b"cf_protocol=protobuf")

logger = logging.getLogger("palaver.websocket")


class WebSocketDoor:
    """The ASGI application behind the route; all that it needs is in the application's state."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket to its end."""
        state = scope["app"].state
        core: Core = state.core
        sockets: Sockets = state.sockets
        await receive()  # websocket.connect
        if not _origin_allowed(scope, core):
            await send({"type": "websocket.close"})
        elif sockets.closing or len(sockets) >= core.settings.connections_max:
            await _turn_away(send)
        else:
            await send({"type": "websocket.accept", "subprotocol": _subprotocol(scope)})
            if _wants_protobuf(scope):
                await send(close_message(INAPPROPRIATE_PROTOCOL))
            else:
                await _serve(scope, receive, send, core, sockets)


async def plain_request(request: Request) -> Response:
    """Refuse whoever comes to the socket's address by plain HTTP, and say how to come."""
    raise UpgradeRequired


def close_message(disconnect: Disconnect) -> dict[str, Any]:
    """Write the ASGI message that closes with a code and a reason."""
    return {"type": "websocket.close", "code": disconnect.code, "reason": disconnect.reason}


async def _serve(scope: Scope, receive: Receive, send: Send, core: Core, sockets: Sockets) -> None:
    address = client_address(scope, core.settings.trusted_proxies)
    offered: Connection | None = scope.get("extensions", {}).get(CONNECTION_EXTENSION)
    async with asyncio.TaskGroup() as tasks:
        if offered is None:
            plain = AsgiConnection(send)
            sender = tasks.create_task(plain.run())
        connection = offered if offered is not None else plain
        socket = Socket(core, connection, send, tasks, sockets.turn, address)
        sockets.add(socket)
        try:
            await socket.run(receive)
        finally:
            sockets.discard(socket)
            if offered is None:
                sender.cancel()


def _origin_allowed(scope: Scope, core: Core) -> bool:
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    return origin is None or origin_allowed(origin, headers.get("host", ""), core.settings)


def _subprotocol(scope: Scope) -> str | None:
    return JSON_SUBPROTOCOL if JSON_SUBPROTOCOL in scope["subprotocols"] else None


def _wants_protobuf(scope: Scope) -> bool:
    offered = scope["subprotocols"]
    if JSON_SUBPROTOCOL in offered:
        return False
    return PROTOBUF_SUBPROTOCOL in offered or any(
        part in PROTOBUF_QUERIES for part in scope["query_string"].split(b"&")
    )


async def _turn_away(send: Send) -> None:
    headers = [(b"retry-after", b"5"), (b"content-type", b"text/plain")]
    await send({"type": "websocket.http.response.start", "status": 503, "headers": headers})
    await send(
        {"type": "websocket.http.response.body", "body": b"no room for another connection; try again\n"}
    )
