"""The Centrifuge protocol in JSON: frames to requests, results and pushes to bytes; a socket is nowhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NoReturn

import msgspec
from msgspec import Raw

from chat.errors import Disconnect, Problem, Unsubscribe
from chat.protocols.centrifuge_requests import (
    COMMAND_ID_MAX,
    KINDS,
    PONG,
    Call,
    CommandId,
    Envelope,
    Invalid,
    Request,
)
from chat.protocols.centrifuge_results import ClientInfo, Result
from chat.protocols.malformed import UNREADABLE, malformed

COMMANDS_PER_FRAME_MAX = 1_000
ERROR_CHARS_MAX = 200
PING = b"{}"
SEPARATOR = b"\n"

_CALLS = msgspec.json.Decoder(Call)
_ENVELOPES = msgspec.json.Decoder(Envelope)
_OUTLINES = msgspec.json.Decoder(dict[str, Raw])
_IDS = msgspec.json.Decoder(CommandId)
_OTHER_BODIES = len(KINDS) - 1
_ABSENT = (b"", b"null")
_EMPTY = re.compile(r"\s*\{\s*\}\s*")
# Every SDK writes the id first or last: there it is told from an id inside without reading the inside.
_ID_FIRST = re.compile(r'\s*\{\s*"id"\s*:\s*([0-9]{1,10})\s*,')
_ID_LAST = re.compile(r',\s*"id"\s*:\s*([0-9]{1,10})\s*\}\s*\Z')
_ID_LAST_CHARS = 64


class BadFrame(Exception):
    """The frame is not of this protocol, and there is no id to answer: the connection ends with 3501."""


def decode(frame: str | bytes) -> list[Request]:
    """Read the commands of a frame, in order; blank lines are passed over.

    A command whose body alone is wrong comes back as Invalid. Raises BadFrame, and nothing else, where no id
    tells what to answer, or where a frame has no command or more than COMMANDS_PER_FRAME_MAX.
    """
    text = frame if isinstance(frame, str) else _text(frame)
    if "\n" not in text:
        return [_request(text)]
    lines = text.split("\n", COMMANDS_PER_FRAME_MAX + 1)
    requests = [_request(line) for line in lines[:COMMANDS_PER_FRAME_MAX] if line and not line.isspace()]
    if not requests or any(line and not line.isspace() for line in lines[COMMANDS_PER_FRAME_MAX:]):
        raise BadFrame(f"a frame has 1 to {COMMANDS_PER_FRAME_MAX} commands")
    return requests


def reply(id: int, kind: str, result: bytes) -> bytes:
    """Write the result of command `id`; `result` is its JSON object, `{}` where it says nothing."""
    return b'{"id":%d,"%b":%b}' % (id, kind.encode(), result)


def reply_rpc(id: int, data: bytes) -> bytes:
    """Write the answer of a method as the result of rpc `id`."""
    return b'{"id":%d,"rpc":{"data":%b}}' % (id, data)


def error(id: int, problem: Problem) -> bytes:
    """Write the refusal of command `id`: number, `name: detail` for people, and whether to try again."""
    message = f"{problem.name}: {problem.detail}"[:ERROR_CHARS_MAX]
    # A detail may repeat a client's text, which may hold what UTF-8 cannot.
    told = msgspec.json.encode(message.encode(errors="replace").decode())
    temporary = b',"temporary":true' if problem.temporary else b""
    return b'{"id":%d,"error":{"code":%d,"message":%b%b}}' % (id, problem.number, told, temporary)


def encode_result(result: Result) -> bytes:
    """Write a result; zero values are left out."""
    return msgspec.json.encode(result)


def push_publication(
    channel: str, data: bytes, offset: int | None = None, info: ClientInfo | None = None
) -> bytes:
    """Write an event for all who listen to `channel`; without an offset it is ephemeral. `data` is JSON."""
    tail = b"" if offset is None else b',"offset":%d' % offset
    if info is not None:
        tail += b',"info":%b' % msgspec.json.encode(info)
    return b'{"push":{"channel":%b,"pub":{"data":%b%b}}}' % (msgspec.json.encode(channel), data, tail)


def push_join(channel: str, info: ClientInfo) -> bytes:
    """Write that a connection began to listen to `channel`."""
    return _push(channel, b"join", b'{"info":%b}' % msgspec.json.encode(info))


def push_leave(channel: str, info: ClientInfo) -> bytes:
    """Write that a connection listens to `channel` no more."""
    return _push(channel, b"leave", b'{"info":%b}' % msgspec.json.encode(info))


def push_unsubscribe(channel: str, unsubscribe: Unsubscribe) -> bytes:
    """Write that the server ended the subscription to `channel`."""
    return _push(channel, b"unsubscribe", msgspec.json.encode(unsubscribe))


def push_disconnect(disconnect: Disconnect) -> bytes:
    """Write that the server is about to close the connection."""
    reconnect = b',"reconnect":true' if disconnect.reconnect else b""
    told = msgspec.json.encode(disconnect.reason)
    return b'{"push":{"disconnect":{"code":%d,"reason":%b%b}}}' % (disconnect.code, told, reconnect)


def join(chunks: Iterable[bytes]) -> bytes:
    """Gather replies and pushes into one frame."""
    return SEPARATOR.join(chunks)


def _push(channel: str, kind: bytes, body: bytes) -> bytes:
    return b'{"push":{"channel":%b,"%b":%b}}' % (msgspec.json.encode(channel), kind, body)


def _text(frame: bytes) -> str:
    try:
        return frame.decode()
    except UnicodeDecodeError as failure:
        raise BadFrame("the frame is not valid UTF-8") from failure


def _request(line: str) -> Request:
    try:
        call = _CALLS.decode(line)
    except UNREADABLE:
        return _any_request(line)
    return Request(call.id, call.rpc)


def _any_request(line: str) -> Request:
    try:
        envelope = _ENVELOPES.decode(line)
    except UNREADABLE as failure:
        return _invalid(line, failure)
    values = msgspec.structs.astuple(envelope)
    if values.count(None) != _OTHER_BODIES:
        return _bodiless(line)
    if envelope.id == 0 and envelope.send is None:
        raise BadFrame("the command has no id")
    if envelope.rpc is not None:
        return Request(envelope.id, envelope.rpc)
    return Request(envelope.id, next(body for body in values[1:] if body is not None))


def _bodiless(line: str) -> Request:
    if _EMPTY.fullmatch(line):
        return Request(0, PONG)
    raise BadFrame("a command has one body, and a known one")


def _invalid(line: str, failure: Exception) -> Request:
    """Refuse a command by its id, read apart from the body; `failure` says why it could not be read whole."""
    try:
        outline, failure = _outline(line, failure)
    except RecursionError as too_deep:
        return Request(_id_outside(line), Invalid(problem=malformed(too_deep)))
    bodies = [kind for kind in KINDS if bytes(outline.get(kind, b"")) not in _ABSENT]
    if len(bodies) != 1:
        raise BadFrame("a command has one body, and a known one") from failure
    return Request(_id(outline), Invalid(problem=malformed(failure)))


def _outline(line: str, failure: Exception) -> tuple[dict[str, Raw], Exception]:
    try:
        return _OUTLINES.decode(line), failure
    except msgspec.ValidationError as not_object:
        raise BadFrame("a command is a JSON object") from not_object
    except (msgspec.DecodeError, UnicodeError):
        return _outline_of_halves(line)


def _outline_of_halves(line: str) -> tuple[dict[str, Raw], Exception]:
    # JSON's grammar allows half a surrogate pair (RFC 8259 §8.2), and JavaScript writes one for a text that
    # is cut within an emoji. UTF-8 has none: the command is refused, but nobody is disconnected for it.
    try:
        loose = json.loads(line, parse_constant=_refuse_constant)
        outline = _OUTLINES.decode(json.dumps(loose, ensure_ascii=False).encode(errors="replace"))
    except ValueError as not_json:
        raise BadFrame("a command is a JSON object") from not_json
    return outline, msgspec.DecodeError("a text holds half a surrogate pair: that is no character")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _id(outline: dict[str, Raw]) -> int:
    try:
        return _checked(_IDS.decode(outline.get("id", b"0")))
    except UNREADABLE as failure:
        raise BadFrame("the id is not a number of 32 bits") from failure


def _id_outside(line: str) -> int:
    match = _ID_FIRST.match(line) or _ID_LAST.search(line[-_ID_LAST_CHARS:])
    return _checked(int(match[1]) if match else 0)


def _checked(id: int) -> int:
    if not 1 <= id <= COMMAND_ID_MAX:
        raise BadFrame("the command has no id")
    return id
