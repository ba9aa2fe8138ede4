"""Answers as HTTP responses: JSON of a struct, its version as an ETag, the next page as a link."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from chat.endpoints.preconditions import etag

MEDIA_TYPE = "application/json"
PATH_SAFE = "/:@!$&'()*+,;=~"
"""What may stand unquoted in a path (RFC 3986 §3.3)."""


def json_response(answer: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Write a struct as JSON."""
    return Response(msgspec.json.encode(answer), status, headers, MEDIA_TYPE)


def versioned(answer: object, version: str, status: int = 200, location: str | None = None) -> Response:
    """Write a struct as JSON with its version as the ETag, and where what was made is."""
    headers = {"etag": etag(version)}
    if location is not None:
        headers["location"] = location
    return json_response(answer, status, headers)


def page_response(answer: object, following: str | None, previous: str | None = None) -> Response:
    """Write a page as JSON, with Links to the pages on its two sides, where there are any (RFC 8288)."""
    links = [
        f'<{url}>; rel="{relation}"' for relation, url in (("next", following), ("prev", previous)) if url
    ]
    return json_response(answer, headers={"link": ", ".join(links)} if links else None)


def page_url(request: Request, **query: object) -> str:
    """Return the request's own path with another query, relative to the server; None leaves one out."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"{quote(request.scope['path'], safe=PATH_SAFE)}?{urlencode(given)}"


def place(*segments: object) -> str:
    """Return the path `/v1/…` of a resource, quoted."""
    return "/v1/" + "/".join(quote(str(segment), safe=PATH_SAFE.replace("/", "")) for segment in segments)
