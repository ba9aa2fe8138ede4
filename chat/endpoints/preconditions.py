"""ETag, If-Match and If-None-Match: a version in quotes, and when it lets a request through."""

from __future__ import annotations

import re

from starlette.requests import Request

from chat.commands import VERSION
from chat.errors import BadRequest

ANY = "*"
TAGS_MAX = 16
WEAK = "W/"

# RFC 9110 §8.8.3: a quoted opaque tag; ours hold nothing that could need more than this.
_TAGS = re.compile(r'\A(?:W/)?"[^"]*"(?:[ \t]*,[ \t]*(?:W/)?"[^"]*")*\Z')
_TAG = re.compile(r'(W/)?"([^"]*)"')


def etag(version: str) -> str:
    """Write a version as an entity tag."""
    return f'"{version}"'


def wanted_versions(request: Request) -> tuple[str, ...]:
    """Return the versions of If-Match, of which one must be today's; none without the header or for `*`.

    Raises BadRequest for weak tags, which never match there (RFC 9110 §13.1.1), and for what is no version.
    """
    text = _joined(request, "if-match")
    if text is None or text == ANY:
        return ()
    tags = _tags(text, "If-Match")
    for weak, version in tags:
        if weak:
            raise BadRequest("If-Match takes strong tags alone: an ETag as it came, without W/")
        if not VERSION.match(version):
            raise BadRequest('If-Match takes `*` or an ETag as it came, `"<epoch>.<changed_seq>"`')
    return tuple(version for _, version in tags)


def is_unchanged(request: Request, version: str) -> bool:
    """Tell whether If-None-Match names `version`, so that the client has it already.

    Raises BadRequest for a header that is no list of tags.
    """
    text = _joined(request, "if-none-match")
    if text is None:
        return False
    return text == ANY or version in {tag for _, tag in _tags(text, "If-None-Match")}


def _joined(request: Request, name: str) -> str | None:
    lines = request.headers.getlist(name)
    return ", ".join(lines).strip() if lines else None


def _tags(text: str, header: str) -> list[tuple[str, str]]:
    if not _TAGS.match(text):
        raise BadRequest(f"{header} takes `*` or quoted tags separated by commas")
    tags: list[tuple[str, str]] = _TAG.findall(text)
    if len(tags) > TAGS_MAX:
        raise BadRequest(f"{header} takes at most {TAGS_MAX} tags")
    return tags
