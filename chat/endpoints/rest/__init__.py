"""REST, whole: one table of operations, from which both the routes and their description are made."""

from __future__ import annotations

from collections import defaultdict

from starlette.routing import Route

from chat.endpoints.operation import Operation
from chat.endpoints.rest import (
    attention,
    conversations,
    events,
    members,
    messages,
    replication,
    restores,
    status,
)
from chat.endpoints.rest.resource import Resource

OPERATIONS: tuple[Operation, ...] = (
    *conversations.OPERATIONS,
    *members.OPERATIONS,
    *messages.OPERATIONS,
    *events.OPERATIONS,
    *attention.OPERATIONS,
    *status.OPERATIONS,
    *replication.OPERATIONS,
    *restores.OPERATIONS,
)


def rest_routes() -> list[Route]:
    """Return one route per path, so that a 405 names all the methods that the path takes."""
    paths: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in OPERATIONS:
        paths[operation.path].append(operation)
    return [
        Route(path, Resource(operations), methods=[operation.method for operation in operations], name=path)
        for path, operations in paths.items()
    ]
