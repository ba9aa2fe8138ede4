"""What runs around every HTTP request, from the outermost on. Sockets pass through all of it untouched."""

from __future__ import annotations

from starlette.middleware import Middleware

from chat.endpoints.addresses import trusted_networks
from chat.endpoints.cors import Cors
from chat.endpoints.failures import Failures
from chat.endpoints.journal import Journal
from chat.endpoints.origins import allowed_origins
from chat.settings import Settings


def middleware(settings: Settings) -> list[Middleware]:
    """Return the application's middleware; raises BadSetting for origins or proxies that cannot be read."""
    allowed_origins(settings.allowed_origins)
    trusted_networks(settings.trusted_proxies)
    return [Middleware(Journal), Middleware(Cors, settings=settings), Middleware(Failures)]
