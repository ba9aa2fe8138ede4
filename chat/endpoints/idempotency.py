"""The Idempotency-Key header: bare, or quoted as a structured field; one key, whichever way it came."""

from __future__ import annotations

import re

from starlette.requests import Request

from chat.errors import BadRequest

HEADER = "Idempotency-Key"
_HEADER_NAME = HEADER.lower().encode()

# RFC 8941 §3.3.3: printable ASCII between quotes, where only the quote and the backslash are escaped.
_QUOTED = re.compile(r'\A"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"\Z')
_ESCAPED = re.compile(r'\\(["\\])')


def key_of(request: Request) -> str | None:
    """Return the header's key, None without one; raises BadRequest for a malformed or a second one."""
    values = [value for name, value in request.scope["headers"] if name == _HEADER_NAME]
    keys = {parse_key(value) for value in values}
    if len(keys) > 1:
        raise BadRequest(f"two different {HEADER} headers; send one")
    return keys.pop() if keys else None


def parse_key(value: bytes) -> str:
    """Read a header's value: quoted text is unescaped, anything else is the key as it stands."""
    try:
        text = value.decode().strip(" \t")
    except UnicodeDecodeError as error:
        raise BadRequest(f"{HEADER} is not valid UTF-8") from error
    if not text.startswith('"'):
        return text
    match = _QUOTED.match(text)
    if match is None:
        raise BadRequest(f'{HEADER} begins with a quote and is no quoted string; as in {HEADER}: "k-1"')
    return _ESCAPED.sub(r"\1", match[1])


def one_key(header: str | None, body: object, field: str) -> str | None:
    """Join the header's key with the body's `field`, if it has one; raises BadRequest where they differ."""
    given = body if isinstance(body, str) else None
    if header is not None and given is not None and header != given:
        raise BadRequest(
            f"{HEADER} and {field} are two different keys; send one of them, or the same in both"
        )
    return header if header is not None else given
