"""The headers that requests and answers carry, as OpenAPI describes them."""

from __future__ import annotations

from chat.commands import GetMessage
from chat.endpoints.idempotency import HEADER
from chat.endpoints.openapi_schemas import Schema
from chat.endpoints.operation import Operation

TAG = r'"[a-z0-9]{1,32}\.[0-9]{1,16}"'
WEAK_TAG = f"(?:W/)?{TAG}"
ETAG_EXAMPLE = '"k3f9x2a1.7"'

# Bare or quoted, as `idempotency.parse_key` reads it: 1 to 128 characters.
KEY_PATTERN = r'^(?:[!#-~][\t -~]{0,127}|"(?:[ !#-\[\]-~]|\\["\\]){1,128}")$'


def _header(description: str, pattern: str | None = None, **more: object) -> Schema:
    schema: Schema = {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern}
    return {"description": description, "schema": schema, **more}


HEADERS: dict[str, Schema] = {
    "ETag": _header("The version, in quotes.", f"^{TAG}$", required=True),
    "Link": _header(
        'The pages on both sides: `rel="next"`, and of messages `rel="prev"`; absent where there is none.'
    ),
    "Location": _header("Where what was made is.", required=True),
    "Retry-After": _header("Seconds to wait before the next try.", r"^[0-9]+$", required=True),
    "WWW-Authenticate": _header("Always the scheme Bearer.", r"^Bearer\b", required=True),
    "X-Request-Id": _header(
        "Names this request in the server's log.", r"^[A-Za-z0-9._-]{1,64}$", required=True
    ),
}

IDEMPOTENCY_KEY: Schema = {
    "name": HEADER,
    "in": "header",
    "description": "A key for this one request, bare or quoted; the same key gives the first answer again. "
    "`idempotency_key` in a body says the same.",
    "schema": {"type": "string", "pattern": KEY_PATTERN},
    "example": "0b9f6f4e-6d0c-4c0e-9a63-0f2f4c1d7a11",
}
MESSAGE_KEY: Schema = {
    **IDEMPOTENCY_KEY,
    "description": "The permanent key of the message, bare or quoted. It is needed, here or as `client_message_id` "
    "in the body; where both say it, they say the same.",
}
KEYS: dict[str, Schema] = {"idempotency_key": IDEMPOTENCY_KEY, "client_message_id": MESSAGE_KEY}
"""How the header is described, by the field that it gives."""

IF_MATCH: Schema = {
    "name": "If-Match",
    "in": "header",
    "description": "Only if this is still the version, else 412: an ETag as it came, several, or `*`.",
    "schema": {"anyOf": [{"const": "*"}, {"type": "string", "pattern": rf"^{TAG}(?:, {TAG}){{0,15}}$"}]},
    "example": ETAG_EXAMPLE,
}
IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "description": "Answer 304 if this is still the version.",
    "schema": {
        "anyOf": [{"const": "*"}, {"type": "string", "pattern": rf"^{WEAK_TAG}(?:, {WEAK_TAG}){{0,15}}$"}]
    },
    "example": ETAG_EXAMPLE,
}


def request_headers(operation: Operation) -> list[Schema]:
    """Return the header parameters that an operation takes."""
    headers: list[Schema] = []
    if operation.key_field is not None:
        headers.append(KEYS[operation.key_field])
    if operation.versioned is not None:
        headers.append(IF_MATCH)
    if operation.command is GetMessage:
        headers.append(IF_NONE_MATCH)
    return headers
