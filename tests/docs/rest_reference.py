"""What docs/reference/rest.md says of each operation and answer, made from the description that the server gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from chat.endpoints.field_notes import FIELD_NOTES
from chat.endpoints.openapi_document import ALWAYS, WITH_BODY, document
from chat.endpoints.operation import Answer, Operation
from chat.endpoints.rest import OPERATIONS
from chat.errors import Problem
from chat.models import Event
from chat.version import VERSION
from tests.docs.generated import table
from tests.docs.schema_text import about, fields, row, type_of

Described = dict[str, Any]

EVENTS = {event.__name__ for event in Event.__subclasses__()} - {"Message"}
DESCRIPTION: Described = document(OPERATIONS, VERSION)


def parts() -> dict[str, str]:
    """Return the page's parts by name."""
    return {
        "operations": _overview(),
        "every-refusal": _refusals(ALWAYS),
        "body-refusal": _refusals(WITH_BODY),
        "details": "\n\n".join(_operation(operation) for operation in OPERATIONS),
        "structs": "\n\n".join(_struct(name) for name in answered()),
    }


def address(operation: Operation) -> str:
    """Write an operation as people do: method and path."""
    return f"{operation.method} {operation.path.replace(':path}', '}')}"


def answered() -> list[str]:
    """Return the names of the structs that answers consist of; events stand in the socket's reference."""
    inputs = {operation.body.__name__ for operation in OPERATIONS if operation.body is not None}
    return [
        name for name in DESCRIPTION["components"]["schemas"] if name not in EVENTS and name not in inputs
    ]


def _overview() -> str:
    rows = [
        [
            f"[`{address(each)}`](#{each.name})",
            each.summary,
            ", ".join(str(answer.status) for answer in each.answers),
        ]
        for each in OPERATIONS
    ]
    return table(["Request", "What it does", "Answers"], rows)


def _operation(operation: Operation) -> str:
    lines = [f'<a id="{operation.name}"></a>', f"### `{address(operation)}`", f"{operation.summary}."]
    lines += [operation.notes] if operation.notes else []
    rows = list(_inputs(operation))
    lines += [table(["Field", "In", "Type", "Meaning"], rows)] if rows else []
    if operation.example is not None:
        lines.append(f"```json\n{json.dumps(operation.example)}\n```")
    lines.append(table(["Status", "When", "Body", "Headers"], [_answer(each) for each in operation.answers]))
    if operation.refusals:
        lines.append(f"Refused with {_refusals(operation.refusals)}.")
    return "\n\n".join(lines)


def _inputs(operation: Operation) -> Iterator[list[str]]:
    path = operation.path.replace(":path}", "}")
    described = DESCRIPTION["paths"][path][operation.method.lower()]
    for parameter in described["parameters"]:
        for name, schema, meaning in _exploded(parameter):
            yield _placed(parameter["in"], row(name, schema, parameter.get("required", False), meaning))
    if operation.body is not None:
        body = DESCRIPTION["components"]["schemas"][operation.body.__name__]
        for name, schema in body["properties"].items():
            meaning = schema.get("description") or FIELD_NOTES.get(name, "")
            yield _placed("body", row(name, schema, name in body.get("required", ()), meaning))


def _exploded(parameter: Described) -> Iterator[tuple[str, Described, str]]:
    schema = parameter["schema"]
    if not parameter.get("explode"):
        yield parameter["name"], schema, parameter["description"]
        return
    for name, each in schema["properties"].items():
        yield name, each, each["description"]


def _placed(place: str, cells: list[str]) -> list[str]:
    name, *rest = cells
    return [name, place, *rest]


def _answer(answer: Answer) -> list[str]:
    name = "" if answer.body is None else answer.body.__name__
    link = f"[{name}](#{name.lower()})" if name else ""
    return [str(answer.status), answer.when, link, ", ".join(answer.headers)]


def _refusals(problems: tuple[type[Problem], ...]) -> str:
    ordered = sorted(problems, key=lambda problem: (problem.status, problem.number))
    return ", ".join(f"{each.status} [`{each.name}`](errors.md#{each.name})" for each in ordered)


def _struct(name: str) -> str:
    schema = DESCRIPTION["components"]["schemas"][name]
    told = fields(schema, FIELD_NOTES) if "properties" in schema else f"One of: {type_of(schema)}."
    return f"### {name}\n\n{about(schema)}\n\n{told}"
