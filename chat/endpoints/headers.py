"""Header lists as ASGI has them: found and added without building a mapping for each request."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Message, Scope

Header = tuple[bytes, bytes]


def header(scope: Scope, name: bytes) -> str | None:
    """Return a request header by its lower-case name, the last of several, or None."""
    found: str | None = None
    for key, value in scope["headers"]:
        if key == name:
            found = value.decode("latin-1")
    return found


def added(message: Message, headers: Iterable[Header]) -> Message:
    """Return the start of a response with `headers`, except those that the response has itself."""
    own = list(message.get("headers", ()))
    names = {name.lower() for name, _ in own}
    return {**message, "headers": [*own, *(each for each in headers if each[0] not in names)]}
