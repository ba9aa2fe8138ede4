"""JSON Schema in a few words: what the tables of fields say of a field's type and limits."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping
from typing import Any

from chat.models import SEQ_MAX
from tests.docs.generated import table

Schema = Mapping[str, Any]

COLUMNS = ["Field", "Type", "Meaning"]
ANYTHING = "any JSON"


def type_of(schema: Schema) -> str:
    """Say what a value must be."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(type_of(option) for option in schema["anyOf"]))
    return _simple(schema) + _bounds(schema)


def fields(schema: Schema, notes: Mapping[str, str], hidden: Collection[str] = ()) -> str:
    """Write the table of an object's fields; those that may be absent have a question mark."""
    rows = [
        _row(name, each, name in schema.get("required", ()), notes)
        for name, each in schema["properties"].items()
        if name not in hidden
    ]
    return table(COLUMNS, rows)


def about(schema: Schema) -> str:
    """Return an object's description on one line."""
    text = re.sub(r"\s+", " ", inspect.cleandoc(schema.get("description", "")))
    return text.replace("or None", "or null")


def row(name: str, schema: Schema, needed: bool, meaning: str) -> list[str]:
    """Write one field: name, type with its default, meaning."""
    default = schema.get("default")
    told = f"; `{default}` if absent" if default not in (None, [], "") else ""
    return [f"`{name}`" if needed else f"`{name}`?", type_of(schema) + told, meaning]


def _row(name: str, schema: Schema, needed: bool, notes: Mapping[str, str]) -> list[str]:
    return row(name, schema, needed, schema.get("description") or notes.get(name, ""))


def _simple(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(type_of({"type": each}) for each in kind)
    if kind == "array":
        items = schema.get("items", {})
        return "list of events" if "discriminator" in items else f"list of {type_of(items)}"
    return {"string": "text", "null": "null", None: ANYTHING}.get(kind, str(kind))


def _bounds(schema: Schema) -> str:
    told = []
    if schema.get("minimum"):
        told.append(f"from {schema['minimum']}")
    if schema.get("maximum", SEQ_MAX) != SEQ_MAX:
        told.append(f"to {schema['maximum']}")
    if "pattern" in schema and "\\u0000" not in schema["pattern"]:
        told.append(f"like `{schema['pattern']}`")
    elif "maxLength" in schema:
        told.append(f"at most {schema['maxLength']}")
    if "maxItems" in schema:
        told.append(f"at most {schema['maxItems']}")
    return f" ({' '.join(told)})" if told else ""
