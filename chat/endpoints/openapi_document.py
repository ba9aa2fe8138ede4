"""OpenAPI 3.1, generated from the table of operations and from the structs that decode and answer them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from chat.endpoints.field_notes import FIELD_NOTES
from chat.endpoints.openapi_headers import HEADERS, request_headers
from chat.endpoints.openapi_schemas import Schema, parameter_schemas, reference, schemas
from chat.endpoints.operation import Answer, Operation, Together
from chat.errors import (
    BadRequest,
    Internal,
    Problem,
    TokenExpired,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)
from chat.protocols import problem_json
from chat.protocols.problem_json import ProblemDocument

Refusals = tuple[type[Problem], ...]

OPENAPI_VERSION = "3.1.0"
REQUEST_ID = "0199f0c2-7c1e-7b3a-9a55-3f1c2d4e5f60"
EXAMPLES = {
    "conversation_id": "main:0199f0c1-2a3b-7c4d-8e5f-60718293a4b5",
    "persona": "luna",
    "seq": 7,
    "user": "bob",
}

ALWAYS: tuple[type[Problem], ...] = (
    BadRequest, Unauthorized, TokenExpired, TooManyRequests, Internal, Unavailable,
)  # fmt: skip
WITH_BODY: tuple[type[Problem], ...] = (TooLarge, UnsupportedMediaType)

ABOUT = """Conversations of people and personas: every message stored exactly once, in order, recoverable.

Send a token as `Authorization: Bearer <jwt>`. Refusals are RFC 9457 problems, whose `code` and `name` are
those of the socket's errors. Times are integer milliseconds UTC. Unknown fields are ignored."""


def document(operations: Sequence[Operation], version: str) -> Schema:
    """Describe `operations` as an OpenAPI document of the API's `version`."""
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": "Palaver", "version": version, "description": ABOUT, "license": {"name": "MIT"}},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": _paths(operations),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "headers": HEADERS,
            "responses": _refusal_components(operations),
            "schemas": schemas(operations, ProblemDocument),
        },
    }


def _paths(operations: Sequence[Operation]) -> Schema:
    paths: dict[str, Schema] = {}
    for operation in operations:
        address = operation.path.replace(":path}", "}")
        paths.setdefault(address, {})[operation.method.lower()] = _operation(operation)
    return dict(paths)


def _operation(operation: Operation) -> Schema:
    described: Schema = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [*_parameters(operation), *request_headers(operation)],
        "responses": _responses(operation),
    }
    if operation.notes:
        described["description"] = operation.notes
    if operation.body is not None:
        described["requestBody"] = _request_body(operation, operation.body)
    return described


def _request_body(operation: Operation, body: type[msgspec.Struct]) -> Schema:
    content: Schema = {"schema": reference(body)}
    if operation.example is not None:
        content["example"] = operation.example
    return {"required": True, "content": {"application/json": content}}


def _parameters(operation: Operation) -> list[Schema]:
    if operation.parameters is None:
        return []
    described = parameter_schemas(operation.parameters)
    together = operation.together
    joined = together.fields if together is not None else ()
    parameters = [_parameter(operation, name, described[name]) for name in described if name not in joined]
    if together is not None:
        parameters.append(_joint_parameter(together, described))
    return parameters


def _parameter(operation: Operation, name: str, schema: Schema) -> Schema:
    described: Schema = {
        "name": name,
        "in": "query",
        "description": FIELD_NOTES.get(name, ""),
        "schema": schema,
    }
    if name in operation.path_names:
        described |= {"in": "path", "required": True, "example": EXAMPLES[name]}
    return described


def _joint_parameter(together: Together, described: dict[str, Schema]) -> Schema:
    # OpenAPI can say that parameters depend on each other only of one whose properties they are.
    properties = {
        name: {"description": FIELD_NOTES.get(name, ""), **described[name]} for name in together.fields
    }
    return {
        "name": together.name,
        "in": "query",
        "style": "form",
        "explode": True,
        "description": together.notes,
        "schema": {"type": "object", "properties": properties, **together.rule},
    }


def _responses(operation: Operation) -> Schema:
    responses: Schema = {str(answer.status): _answer(answer) for answer in operation.answers}
    for problems in _refusals(operation):
        responses[str(problems[0].status)] = {"$ref": f"#/components/responses/{_name(problems)}"}
    return responses


def _refusals(operation: Operation) -> list[Refusals]:
    """Return what an operation may be refused with, one group for each HTTP status."""
    refusals = {*ALWAYS, *operation.refusals, *(WITH_BODY if operation.body is not None else ())}
    groups: defaultdict[int, list[type[Problem]]] = defaultdict(list)
    for problem in sorted(refusals, key=lambda problem: (problem.status, problem.number)):
        groups[problem.status].append(problem)
    return [tuple(group) for group in groups.values()]


def _name(problems: Refusals) -> str:
    return "Or".join(problem.__name__ for problem in problems)


def _answer(answer: Answer) -> Schema:
    described: Schema = {
        "description": answer.when,
        "headers": _header_references((*answer.headers, "X-Request-Id")),
    }
    if answer.body is not None:
        schema = reference(answer.body)
        described["content"] = {"application/json": {"schema": schema}}
    return described


def _refusal(problems: Refusals) -> Schema:
    headers = ["X-Request-Id"]
    headers += ["WWW-Authenticate"] if problems[0].status == 401 else []
    headers += ["Retry-After"] if problems[0].temporary else []
    return {
        "description": " Or: ".join(problem().detail for problem in problems),
        "headers": _header_references(headers),
        "content": {
            problem_json.MEDIA_TYPE: {
                "schema": reference(ProblemDocument),
                "examples": {problem.name: {"value": _example(problem)} for problem in problems},
            }
        },
    }


def _refusal_components(operations: Sequence[Operation]) -> Schema:
    groups = {problems for operation in operations for problems in _refusals(operation)}
    return {_name(problems): _refusal(problems) for problems in sorted(groups, key=_name)}


def _example(problem: type[Problem]) -> object:
    return msgspec.to_builtins(problem_json.document(problem(), REQUEST_ID))


def _header_references(names: Iterable[str]) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
