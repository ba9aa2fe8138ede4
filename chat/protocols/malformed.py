"""What a client is told about JSON that cannot be read: where it is wrong, never what stood there."""

from __future__ import annotations

import re

import msgspec

from chat.errors import BadRequest

UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeError)
"""All that msgspec raises for bytes that are not the JSON asked for; a ValidationError is a DecodeError."""

DETAIL_CHARS_MAX = 200
_ENUM_ECHO = re.compile(r"\AInvalid enum value .*?( - at `[^`]*`)?\Z", re.DOTALL)


def malformed(error: Exception) -> BadRequest:
    """Turn one of UNREADABLE into the refusal that names the place, as `$.path`."""
    if isinstance(error, RecursionError):
        return BadRequest("the JSON nests too deep")
    if isinstance(error, UnicodeError):
        return BadRequest("the JSON is not valid UTF-8")
    # The only message of msgspec that repeats what the client wrote, at any length.
    told = _ENUM_ECHO.sub(lambda match: f"Not one of the accepted values{match[1] or ''}", str(error))
    return BadRequest(told[:DETAIL_CHARS_MAX])
