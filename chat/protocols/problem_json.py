"""RFC 9457: a refusal of the catalogue as an `application/problem+json` document, with status and headers."""

from __future__ import annotations

import math

import msgspec

from chat.errors import Problem, TokenExpired, Unauthorized, UpgradeRequired

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "/docs/errors#"
"""A problem's `type` is the place in the reference that explains it; a reference relative to the server."""

RETRY_AFTER_S = 1
"""What a temporary refusal asks for when nobody knows better."""


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was refused. `code` and `name` are the same as in the socket's errors."""

    type: str
    title: str
    status: int
    detail: str
    code: int
    name: str
    temporary: bool
    request_id: str


class ProblemAnswer(msgspec.Struct, frozen=True):
    """A whole answer: HTTP status, headers and body."""

    status: int
    headers: dict[str, str]
    body: bytes


def document(problem: Problem, request_id: str) -> ProblemDocument:
    """Describe `problem` for the request `request_id`."""
    return ProblemDocument(
        type=TYPE_PREFIX + problem.name,
        title=title(type(problem)),
        status=problem.status,
        detail=problem.detail,
        code=problem.number,
        name=problem.name,
        temporary=problem.temporary,
        request_id=request_id,
    )


def encode(problem: Problem, request_id: str) -> ProblemAnswer:
    """Write the answer to a refused request, with Retry-After and WWW-Authenticate where HTTP wants them."""
    body = msgspec.json.encode(document(problem, request_id))
    return ProblemAnswer(problem.status, {"content-type": MEDIA_TYPE, **_headers(problem)}, body)


def title(problem: type[Problem]) -> str:
    """Name a kind of refusal for people; the same for each of its occurrences (RFC 9457 §3.1.3)."""
    return problem.name.replace("_", " ").capitalize()


def _headers(problem: Problem) -> dict[str, str]:
    headers: dict[str, str] = {}
    if isinstance(problem, Unauthorized | TokenExpired):
        headers["www-authenticate"] = _challenge(problem)
    if isinstance(problem, UpgradeRequired):
        # RFC 9110 §15.5.22, and §7.8: an Upgrade is announced in Connection too.
        headers |= {"upgrade": "websocket", "connection": "upgrade"}
    if problem.retry_after_s is not None or problem.temporary:
        # RFC 9110 §10.2.3: whole seconds; rounded up, so that whoever obeys is not refused again.
        headers["retry-after"] = str(max(RETRY_AFTER_S, math.ceil(problem.retry_after_s or 0)))
    return headers


def _challenge(problem: Problem) -> str:
    # RFC 6750 §3.1: whoever presented nothing is told no error code.
    return 'Bearer error="invalid_token"' if isinstance(problem, TokenExpired) else "Bearer"
