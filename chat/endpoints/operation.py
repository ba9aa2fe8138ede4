"""One thing that REST can be asked: a row of the table that makes the routes and their OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Union, get_args, get_origin

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from chat.commands import Command
from chat.errors import Problem
from chat.models import User

if TYPE_CHECKING:
    from chat.core import Core

Values = dict[str, object]
"""Decoded fields by name, on their way into a command."""

Part = tuple[str, object] | tuple[str, object, object]
"""A field as msgspec.defstruct takes it: name, type, default."""

KEY_FIELDS = ("client_message_id", "idempotency_key")
"""The fields of a command that the Idempotency-Key header can give."""

_IN_PATH = re.compile(r"{(\w+)(?::path)?}")


class Asked(msgspec.Struct, frozen=True):
    """One request, decoded: whose it is and which command it became (None where it is none)."""

    core: Core
    request: Request
    user: User
    command: Command | None = None


class Answer(msgspec.Struct, frozen=True):
    """One way in which an operation succeeds: status, when, the body's struct and the headers beside it."""

    status: int
    when: str
    body: type[msgspec.Struct] | None = None
    headers: tuple[str, ...] = ()


class BodyRule(msgspec.Struct, frozen=True, kw_only=True):
    """What the description says of a body beyond its struct, which the session will ask for."""

    limits: Mapping[str, Values] = {}
    any_of: tuple[Values, ...] = ()


class Together(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the query that depend on each other: described as one exploded object under `rule`."""

    name: str
    fields: tuple[str, ...]
    notes: str
    rule: Values


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A method on a path. Its command's fields come from the path, the query, the body and two headers.

    `parameters` decodes path and query, `body` the body; both are cut from the command, so that what is
    described is what is decoded. `respond(asked, answer)` writes the session's answer.
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    respond: Callable[..., Response]
    answers: tuple[Answer, ...]
    refusals: tuple[type[Problem], ...] = ()
    notes: str = ""
    command: type[Command] | None = None
    parameters: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    example: Values | None = None
    rule: BodyRule | None = None
    together: Together | None = None
    compose: Callable[[Values, User], Values] | None = None
    """Turn the decoded fields into the command's where they are not the same."""
    versioned: type[Command] | None = None
    """What If-Match speaks of: the command that reads its version."""
    act: Callable[[Asked], Awaitable[object]] | None = None
    """Answer what is not a command of the session."""

    @property
    def path_names(self) -> tuple[str, ...]:
        """Return the names in the path, in order."""
        return names_in_path(self.path)

    @property
    def key_field(self) -> str | None:
        """Return which field of the command the Idempotency-Key header gives, None for none."""
        fields = self.command.__struct_fields__ if self.command else ()
        return next((name for name in KEY_FIELDS if name in fields), None)


def names_in_path(path: str) -> tuple[str, ...]:
    """Return the names of a path's parameters: `/v1/conversations/{conversation_id}` has one."""
    return tuple(_IN_PATH.findall(path))


def path_of(command: type[Command], path: str) -> type[msgspec.Struct]:
    """Cut from a command the struct that decodes the path's parameters."""
    return cut(command, f"{command.__name__}Parameters", names_in_path(path))


def query_of(command: type[Command], path: str) -> type[msgspec.Struct]:
    """Cut from a command the struct that decodes the path's parameters, and all other fields from the query.

    An address knows no null, only absence: what may be None in the command is UNSET where it is absent.
    """
    in_path = names_in_path(path)
    query = tuple(name for name in command.__struct_fields__ if name not in in_path)
    return cut(command, f"{command.__name__}Parameters", (*in_path, *query), optional=query)


def body_of(command: type[Command], path: str, *, optional: tuple[str, ...] = ()) -> type[msgspec.Struct]:
    """Cut from a command the struct that decodes the body: every field that is not in the path.

    `optional` may also come otherwise, by a header: decoded as UNSET where the body has none.
    """
    in_path = names_in_path(path)
    names = tuple(name for name in command.__struct_fields__ if name not in in_path)
    return cut(command, command.__name__, names, optional=optional)


def cut(
    command: type[Command], name: str, fields: tuple[str, ...], *, optional: tuple[str, ...] = ()
) -> type[msgspec.Struct]:
    """Make a struct called `name` of some of a command's fields, with their types, limits and defaults."""
    known = {field.name: field for field in msgspec.structs.fields(command)}
    parts = [_absent(known[each]) if each in optional else _part(known[each]) for each in fields]
    made = msgspec.defstruct(name, parts, frozen=True, kw_only=True, module=command.__module__)
    made.__doc__ = command.__doc__
    return made


def values_of(struct: msgspec.Struct) -> Values:
    """Return a struct's fields by name, without those that were left out."""
    fields: Mapping[str, object] = msgspec.structs.asdict(struct)
    return {name: value for name, value in fields.items() if value is not msgspec.UNSET}


def _absent(field: msgspec.structs.FieldInfo) -> Part:
    options = get_args(field.type) if get_origin(field.type) in (Union, UnionType) else (field.type,)
    present = [option for option in options if option is not NoneType]
    return (field.name, Union[(*present, msgspec.UnsetType)], msgspec.UNSET)


def _part(field: msgspec.structs.FieldInfo) -> Part:
    if field.required:
        return (field.name, field.type)
    if field.default_factory is not msgspec.NODEFAULT:
        return (field.name, field.type, msgspec.field(default_factory=field.default_factory))
    return (field.name, field.type, field.default)
