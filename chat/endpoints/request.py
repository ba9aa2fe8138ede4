"""What a request says, decoded and limited: parameters and body; what cannot be read is a BadRequest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from chat.errors import BadRequest, TooLarge, UnsupportedMediaType

if TYPE_CHECKING:
    from chat.core import Core

Shape = TypeVar("Shape", bound=msgspec.Struct)

PARAMETERS_MAX = 32
DIGITS_MAX = 19
JSON_TYPES = ("application/json", "application/merge-patch+json")


def core_of(request: Request) -> Core:
    """Return the application's collaborators, which the composition root put beside it."""
    core: Core = request.app.state.core
    return core


def parameters(request: Request, shape: type[Shape]) -> Shape:
    """Decode path and query into `shape`; parameters that it does not name are ignored."""
    given: dict[str, object] = {**query(request, shape.__struct_fields__), **request.path_params}
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"a parameter cannot be used: {error}") from error


def query(request: Request, names: tuple[str, ...]) -> Mapping[str, str]:
    """Return the query's parameters of these names.

    Raises BadRequest for one that stands there twice, and for what is no UTF-8.
    """
    try:
        text = request.scope["query_string"].decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except UnicodeDecodeError as error:
        raise BadRequest("the query is not valid UTF-8 in percent-encoding") from error
    except ValueError as error:
        raise BadRequest(f"a query has at most {PARAMETERS_MAX} parameters") from error
    known = [pair for pair in pairs if pair[0] in names]
    found = dict(known)
    if len(found) != len(known):
        raise BadRequest("a parameter stands twice in the query")
    return found


async def body(request: Request, shape: type[Shape], bytes_max: int) -> Shape:
    """Read and decode the JSON body into `shape`; unknown fields are ignored.

    Raises UnsupportedMediaType for anything but JSON, TooLarge over `bytes_max` bytes, BadRequest for what is
    not well formed or does not fit.
    """
    _check_type(request)
    raw = await read(request, bytes_max)
    if not raw:
        raise BadRequest("this needs a body: a JSON object")
    return decode(raw, shape)


async def read(request: Request, bytes_max: int) -> bytes:
    """Read the whole body; raises TooLarge once it is announced, or turns out, longer than `bytes_max`."""
    announced = request.headers.get("content-length", "0")
    # More digits than any size has are not even turned into a number.
    if len(announced) > DIGITS_MAX or not announced.isdecimal() or int(announced) > bytes_max:
        raise TooLarge(f"a body is at most {bytes_max} bytes")
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise TooLarge(f"a body is at most {bytes_max} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def decode(raw: bytes, shape: type[Shape]) -> Shape:
    """Decode JSON into `shape`, strictly; raises BadRequest with the place and the reason."""
    try:
        # The decoder skips over what it is not asked for: only this proves that all of it is UTF-8.
        return _fitted(raw.decode(), shape)
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not valid UTF-8 at byte {error.start}") from error
    except msgspec.ValidationError as error:
        raise BadRequest(f"the body does not fit: {error}") from error
    except msgspec.DecodeError as error:
        raise BadRequest(f"the body is not well-formed JSON: {error}") from error
    except RecursionError as error:
        raise BadRequest("the body nests too deep") from error


def _fitted(text: str, shape: type[Shape]) -> Shape:
    try:
        return msgspec.json.decode(text, type=shape)
    except msgspec.ValidationError:
        # 7.0 is the integer 7 to JSON Schema, and some languages know no other way to write it.
        given = msgspec.json.decode(text)
        if not isinstance(given, dict) or not any(isinstance(value, float) for value in given.values()):
            raise
        return msgspec.convert({name: _whole(value) for name, value in given.items()}, shape)


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_type(request: Request) -> None:
    media_type, _, options = request.headers.get("content-type", "").partition(";")
    if media_type.strip().lower() not in JSON_TYPES:
        raise UnsupportedMediaType
    # RFC 8259 §8.1: JSON between systems is UTF-8; another charset would be read wrongly without a word.
    name, _, charset = options.strip().lower().partition("=")
    if name.strip() == "charset" and charset.strip(' "') not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType("JSON is sent as UTF-8")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("send the body without Content-Encoding")
