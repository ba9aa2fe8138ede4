"""The structs of the wire as JSON Schema: what msgspec derives, with each field's notes and limits."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from chat.commands import JSON_DEPTH_MAX, KEY_BYTES_MAX, USER_BYTES_MAX
from chat.endpoints.field_notes import FIELD_NOTES
from chat.endpoints.operation import BodyRule, Operation

Schema = dict[str, Any]
"""A piece of JSON Schema or OpenAPI, which nests as it likes."""

TEMPLATE = "#/components/schemas/{name}"

JSON_VALUE = "JsonValue"
NUMBER_MIN, NUMBER_MAX = -(2**63), 2**63 - 1
KEY_LIMITS: Schema = {"type": "string", "minLength": 1, "maxLength": KEY_BYTES_MAX}
USER_LIMITS: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": USER_BYTES_MAX,
    "pattern": "^[^\\u0000-\\u001f\\u007f]*$",
}
OWN_JSON: Schema = {"type": "object", "additionalProperties": {"$ref": TEMPLATE.format(name=JSON_VALUE)}}
FIELD_LIMITS: Mapping[str, Schema] = {
    "attachments": OWN_JSON,
    "client_message_id": KEY_LIMITS,
    "cursor": {"type": "string", "pattern": r"^[0-9]{1,16}\.[0-9]{1,16}$"},
    "idempotency_key": KEY_LIMITS,
    "members": USER_LIMITS,
    "metadata": OWN_JSON,
    "user": USER_LIMITS,
}
"""What is checked by a function, as it counts bytes, walks, or as only the store knows it; said of the field's type."""


def reference(struct: type[msgspec.Struct]) -> Schema:
    """Point to a struct's schema among the components."""
    return {"$ref": TEMPLATE.format(name=struct.__name__)}


def schemas(operations: Sequence[Operation], *more: type[msgspec.Struct]) -> Schema:
    """Describe every struct that the operations decode or answer with, and `more`, by name."""
    described = [operation for operation in operations if operation.body is not None]
    bodies = [operation.body for operation in described if operation.body is not None]
    answers = [answer.body for each in operations for answer in each.answers if answer.body is not None]
    inputs = {body.__name__: each for body, each in zip(bodies, described, strict=True)}
    _, found = msgspec.json.schema_components(
        dict.fromkeys([*bodies, *answers, *more]), ref_template=TEMPLATE
    )
    described_structs = {name: _described(schema, inputs.get(name)) for name, schema in sorted(found.items())}
    return {**described_structs, JSON_VALUE: _json_value()}


def parameter_schemas(struct: type[msgspec.Struct]) -> dict[str, Schema]:
    """Describe each field of a struct that decodes path and query."""
    _, found = msgspec.json.schema_components([struct])
    properties: dict[str, Schema] = found[struct.__name__]["properties"]
    return {name: _limited(name, schema) for name, schema in properties.items()}


def _described(schema: Schema, source: Operation | None) -> Schema:
    noted = _noted({**schema, "description": inspect.cleandoc(schema.get("description", ""))})
    if source is None:
        return noted
    hidden = _in_headers(source)
    properties = {
        name: _limited(name, inner) for name, inner in noted["properties"].items() if name not in hidden
    }
    return _ruled({**noted, "properties": properties}, source.rule)


def _in_headers(operation: Operation) -> set[str]:
    """Name what a header gives: a body may say it too, as on the socket, but one way is described."""
    return {"idempotency_key", "version"} if operation.versioned is not None else {"idempotency_key"}


def _noted(schema: Schema) -> Schema:
    properties = schema.get("properties", {})
    noted = {
        name: {"description": FIELD_NOTES[name], **inner} if name in FIELD_NOTES else inner
        for name, inner in properties.items()
    }
    return {**schema, "properties": noted} if noted else schema


def _limited(name: str, schema: Schema) -> Schema:
    limits = FIELD_LIMITS.get(name)
    if limits is None:
        return schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [_limited(name, option) for option in schema["anyOf"]]}
    if schema.get("type") == "array":
        return {**schema, "items": _limited(name, schema["items"])}
    return {**schema, **limits} if schema.get("type") == limits["type"] else schema


def _json_value() -> Schema:
    itself = {"$ref": TEMPLATE.format(name=JSON_VALUE)}
    return {
        "description": f"Any JSON value, nested at most {JSON_DEPTH_MAX} levels, with numbers in the range of 64 bits.",
        "anyOf": [
            {"type": ["null", "boolean", "string"]},
            {"type": "number", "minimum": NUMBER_MIN, "maximum": NUMBER_MAX},
            {"type": "array", "items": itself},
            {"type": "object", "additionalProperties": itself},
        ],
    }


def _ruled(schema: Schema, rule: BodyRule | None) -> Schema:
    if rule is None:
        return schema
    properties = {
        name: {**inner, **rule.limits.get(name, {})} for name, inner in schema["properties"].items()
    }
    ruled = {**schema, "properties": properties}
    return {**ruled, "anyOf": list(rule.any_of)} if rule.any_of else ruled
