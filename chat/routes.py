"""The list of routes, nothing else."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route, WebSocketRoute

from chat.endpoints.health import health_routes
from chat.endpoints.openapi import openapi_routes
from chat.endpoints.rest import rest_routes
from chat.endpoints.websocket import WebSocketDoor, plain_request


def routes() -> list[BaseRoute]:
    """Return every door of the server."""
    return [
        WebSocketRoute("/connection/websocket", WebSocketDoor()),
        Route("/connection/websocket", plain_request),
        *rest_routes(),
        *openapi_routes(),
        *health_routes(),
    ]
