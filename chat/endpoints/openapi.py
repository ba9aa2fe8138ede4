"""The routes of the API's description, and of the pages that explain it."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat.endpoints.docs_page import docs_routes
from chat.endpoints.openapi_document import document
from chat.endpoints.responses import MEDIA_TYPE
from chat.endpoints.rest import OPERATIONS
from chat.version import VERSION


def openapi_routes() -> list[Route]:
    """Return the routes; the description is made once, here."""
    description = msgspec.json.encode(document(OPERATIONS, VERSION))

    async def openapi(_request: Request) -> Response:
        return Response(description, headers={"cache-control": "no-cache"}, media_type=MEDIA_TYPE)

    return [Route("/openapi.json", openapi), *docs_routes()]
