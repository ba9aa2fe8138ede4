"""What the outside may ask of the process itself: is it alive, is it ready, and its metrics."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat.endpoints.addresses import client_address, parse_address
from chat.endpoints.bearer import identify
from chat.endpoints.request import core_of
from chat.endpoints.responses import json_response
from chat.errors import PermissionDenied
from chat.health import FAILING, OK, together

OPS_SCOPE = "ops"
NOT_STORED = {"cache-control": "no-store"}
# What proxies add: a request with one of these came from elsewhere, whatever its last hop says.
FORWARDING_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def health_routes() -> list[Route]:
    """Return the routes; they take everything from the core."""
    return [Route("/livez", alive), Route("/readyz", ready), Route("/metrics", metrics)]


async def alive(_request: Request) -> Response:
    """Answer 200 for as long as the event loop runs."""
    return json_response({"status": OK}, headers=NOT_STORED)


async def ready(request: Request) -> Response:
    """Answer with the parts' health: 503 while writes fail, else 200, `degraded` where another part fails."""
    core = core_of(request)
    health = together(core.health(), core.last_verified_restore_ms())
    return json_response(health, 503 if health.status == FAILING else 200, NOT_STORED)


async def metrics(request: Request) -> Response:
    """Answer with the metrics: to this machine as it is, to others with a token of scope `ops`.

    Raises Unauthorized without a valid token and PermissionDenied without the scope.
    """
    core = core_of(request)
    if not _is_local(request, core.settings.trusted_proxies):
        user = await identify(request, core)
        if OPS_SCOPE not in user.scopes:
            raise PermissionDenied(f"metrics need a token with scope {OPS_SCOPE}")
    content_type, text = core.exposition(request.headers.get("accept", ""))
    return Response(text, headers={"content-type": content_type, **NOT_STORED})


def _is_local(request: Request, trusted_proxies: str) -> bool:
    # A proxy on this machine that nobody named as trusted would otherwise make the whole world local.
    if any(name in request.headers for name in FORWARDING_HEADERS):
        return False
    address = parse_address(client_address(request.scope, trusted_proxies))
    return address is not None and address.is_loopback
