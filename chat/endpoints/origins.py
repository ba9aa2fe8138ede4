"""Which web pages may talk to this server: the origins of the allow-list, and the server's own."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from chat.settings import BadSetting, Settings

ANY = "*"
DEFAULT_PORTS = {"http": 80, "https": 443}
PORT_MAX = 65_535

# RFC 6454 §6.2: a serialised origin is scheme, host and port alone. Whatever has more is a look-alike.
_ORIGIN = re.compile(r"\A([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?\Z")
_HOST = re.compile(r"\A([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?\Z")


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host and port of a page, in lower case; `port` is None where the scheme has no usual one."""

    scheme: str
    host: str
    port: int | None


def origin_allowed(origin: str, host_header: str, settings: Settings) -> bool:
    """Tell whether a page of `origin` may connect: listed, `*` is listed, or it is this server's own.

    `origin` and `host_header` are the request's headers. `null` and whatever is no origin are refused.
    """
    page = parse_origin(origin)
    if page is None:
        return False
    allowed = allowed_origins(settings.allowed_origins)
    return allowed is None or page in allowed or _is_own(page, host_header)


@lru_cache(maxsize=8)
def allowed_origins(text: str) -> frozenset[Origin] | None:
    """Read the setting, origins separated by commas; None is everyone. Raises BadSetting."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if ANY in entries:
        return None
    return frozenset(_listed(entry) for entry in entries)


def parse_origin(text: str) -> Origin | None:
    """Read `scheme://host[:port]`; None for anything else, `null` too."""
    match = _ORIGIN.match(text.lower())
    if match is None:
        return None
    scheme, host, port = match.groups()
    number = int(port) if port else DEFAULT_PORTS.get(scheme)
    return None if number is not None and number > PORT_MAX else Origin(scheme, host, number)


def _listed(entry: str) -> Origin:
    origin = parse_origin(entry.rstrip("/"))
    if origin is None:
        raise BadSetting(
            f"PALAVER_ALLOWED_ORIGINS: {entry!r} is no origin; write scheme://host:port, as in https://chat.example.org"
        )
    return origin


def _is_own(page: Origin, host_header: str) -> bool:
    match = _HOST.match(host_header.lower())
    if match is None or page.scheme not in DEFAULT_PORTS:
        return False
    # Behind a proxy that ends TLS the server does not know its scheme: the page's says what port is meant.
    host, port = match.groups()
    return page.host == host and page.port == (int(port) if port else DEFAULT_PORTS[page.scheme])
