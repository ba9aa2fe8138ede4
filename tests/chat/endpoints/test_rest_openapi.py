"""The description: complete, honest, and made of the structs that decode."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from schemathesis.core.result import Ok

from chat.endpoints.openapi_document import document
from chat.endpoints.operation import Operation, values_of
from chat.endpoints.request import decode
from chat.endpoints.rest import OPERATIONS, rest_routes
from chat.errors import CATALOGUE
from chat.protocols.problem_json import TYPE_PREFIX
from chat.version import VERSION
from tests.chat.endpoints.rest_stand import Core, ask

Json = dict[str, Any]
BODIES = [operation for operation in OPERATIONS if operation.body is not None]

WITHOUT_UNKNOWN = ("read_status", "read_replication", "list_conversations")


@pytest.fixture(scope="module")
def described() -> Json:
    found: Json = json.loads(msgspec.json.encode(document(OPERATIONS, VERSION)))
    return found


def resolved(described: Json, part: Json) -> Json:
    while "$ref" in part:
        found: Any = described
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


def operations_of(described: Json) -> dict[str, Json]:
    return {each["operationId"]: each for path in described["paths"].values() for each in path.values()}


async def test_it_is_served_to_everybody_as_json(core: Core, described: Json) -> None:
    answer = await ask(core, "GET", "/openapi.json", token=None)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == described


def test_a_tool_that_we_did_not_write_can_read_it(described: Json) -> None:
    schema = schemathesis.openapi.from_dict(described)
    schema.validate()

    labels = {each.ok().label for each in schema.get_all_operations() if isinstance(each, Ok)}
    told = {f"{operation.method} {operation.path.replace(':path}', '}')}" for operation in OPERATIONS}
    assert labels == told


def test_every_route_is_described_and_nothing_else(described: Json) -> None:
    routed = {
        (method, route.path.replace(":path}", "}"))
        for route in rest_routes()
        for method in (route.methods or set()) - {"HEAD"}
    }
    told = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}

    assert told == routed


def test_every_reference_leads_somewhere(described: Json) -> None:
    def walk(part: object) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                assert resolved(described, part)
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(described["paths"])
    walk(described["components"])


def test_every_schema_is_one(described: Json) -> None:
    for name in described["components"]["schemas"]:
        whole = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        jsonschema_rs.validator_for(whole)


def test_every_field_and_parameter_is_explained(described: Json) -> None:
    bare = [
        f"{name}.{field}"
        for name, schema in described["components"]["schemas"].items()
        for field, inner in schema.get("properties", {}).items()
        if "description" not in inner and name not in ("PartHealth", "Presence")
    ]
    parameters = [
        f"{operation}.{parameter['name']}"
        for operation, each in operations_of(described).items()
        for parameter in each["parameters"]
        if not parameter["description"]
    ]

    assert (bare, parameters) == ([], [])


@pytest.mark.parametrize("operation", BODIES, ids=lambda operation: operation.name)
def test_an_example_fits_the_schema_and_the_struct(described: Json, operation: Operation) -> None:
    assert operation.body is not None
    schema = {
        "$ref": f"#/components/schemas/{operation.body.__name__}",
        "components": described["components"],
    }

    assert jsonschema_rs.validator_for(schema).is_valid(operation.example)
    assert values_of(decode(msgspec.json.encode(operation.example), operation.body))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_says_how_it_succeeds_and_how_it_is_refused(
    described: Json, operation: Operation
) -> None:
    responses = operations_of(described)[operation.name]["responses"]

    assert {str(answer.status) for answer in operation.answers} < set(responses)
    assert {"400", "401", "429", "500", "503"} < set(responses)
    assert ("413" in responses) == (operation.body is not None)
    assert ("404" in responses) == (operation.name not in WITHOUT_UNKNOWN)
    for status, response in responses.items():
        found = resolved(described, response)
        assert found["headers"]["X-Request-Id"]
        if int(status) >= 400:
            assert list(found["content"]) == ["application/problem+json"]


def test_every_example_of_a_problem_fits_and_points_to_its_explanation(described: Json) -> None:
    schema = {"$ref": "#/components/schemas/ProblemDocument", "components": described["components"]}
    validator = jsonschema_rs.validator_for(schema)
    names = {problem.name for problem in CATALOGUE}

    for response in described["components"]["responses"].values():
        for name, example in response["content"]["application/problem+json"]["examples"].items():
            assert name in names
            assert validator.is_valid(example["value"])
            assert example["value"]["type"] == TYPE_PREFIX + name


def test_a_token_is_asked_for_everywhere(described: Json) -> None:
    assert described["security"] == [{"bearer": []}]
    assert described["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


@pytest.mark.parametrize(
    ("name", "parameter", "given"),
    [
        ("send_message", "Idempotency-Key", "header"),
        ("show_typing", "Idempotency-Key", None),
        ("create_conversation", "Idempotency-Key", "header"),
        ("edit_message", "If-Match", "header"),
        ("get_message", "If-None-Match", "header"),
        ("get_message", "seq", "path"),
        ("list_conversations", "cursor", "query"),
        ("list_messages", "anchor", "query"),
        ("list_events", "seen", "query"),
    ],
)
def test_parameters_stand_where_they_belong(
    described: Json, name: str, parameter: str, given: str | None
) -> None:
    found = {each["name"]: each["in"] for each in operations_of(described)[name]["parameters"]}

    assert found.get(parameter) == given


def test_a_send_needs_its_key_in_one_of_two_places_and_says_so(described: Json) -> None:
    operation = operations_of(described)["send_message"]
    body = described["components"]["schemas"]["SendMessage"]
    header = next(each for each in operation["parameters"] if each["name"] == "Idempotency-Key")

    assert not header.get("required")
    assert "client_message_id" not in body.get("required", [])
    assert "`client_message_id`" in header["description"]
    assert "`Idempotency-Key`" in body["properties"]["client_message_id"]["description"]
    assert "without either the answer is 400" in operation["description"]


def test_anchors_exclude_each_other_and_the_halves_of_seen_go_together(described: Json) -> None:
    listing = operations_of(described)["list_messages"]["parameters"]
    events = operations_of(described)["list_events"]["parameters"]
    anchor = jsonschema_rs.validator_for(next(each["schema"] for each in listing if each["name"] == "anchor"))
    seen = jsonschema_rs.validator_for(next(each["schema"] for each in events if each["name"] == "seen"))

    assert anchor.is_valid({"before": 7})
    assert anchor.is_valid({})
    assert not anchor.is_valid({"before": 7, "after": 3})
    assert seen.is_valid({"seen_seq": 7, "seen_epoch": "aa11"})
    assert not seen.is_valid({"seen_seq": 7})
