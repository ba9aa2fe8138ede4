from __future__ import annotations

import msgspec
import pytest

from chat.errors import (
    CATALOGUE,
    BadRequest,
    Internal,
    Problem,
    TokenExpired,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from chat.protocols.problem_json import MEDIA_TYPE, ProblemDocument, encode


def test_a_problem_says_what_the_socket_says_and_what_http_needs() -> None:
    answer = encode(BadRequest("the reason"), "r-1")

    assert (answer.status, answer.headers) == (400, {"content-type": MEDIA_TYPE})
    assert msgspec.json.decode(answer.body) == {
        "type": "/docs/errors#bad_request",
        "title": "Bad request",
        "status": 400,
        "detail": "the reason",
        "code": 107,
        "name": "bad_request",
        "temporary": False,
        "request_id": "r-1",
    }


@pytest.mark.parametrize("problem", CATALOGUE)
def test_every_refusal_of_the_catalogue_becomes_a_problem(problem: type[Problem]) -> None:
    answer = encode(problem(), "r-1")
    document = msgspec.json.decode(answer.body, type=ProblemDocument)

    assert (document.status, document.code, document.name) == (problem.status, problem.number, problem.name)
    assert document.status == answer.status
    assert document.detail
    assert ("retry-after" in answer.headers) == problem.temporary


@pytest.mark.parametrize(
    ("wait_s", "header"), [(None, "1"), (0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (59.5, "60")]
)
def test_retry_after_is_whole_seconds_never_too_few(wait_s: float | None, header: str) -> None:
    assert encode(TooManyRequests(retry_after_s=wait_s), "").headers["retry-after"] == header


@pytest.mark.parametrize("problem", [Unavailable, Internal])
def test_a_temporary_refusal_says_when_to_come_back(problem: type[Problem]) -> None:
    assert encode(problem(), "").headers["retry-after"] == "1"


def test_a_missing_token_is_asked_for_and_an_expired_one_is_told_so() -> None:
    assert encode(Unauthorized(), "").headers["www-authenticate"] == "Bearer"
    assert encode(TokenExpired(), "").headers["www-authenticate"] == 'Bearer error="invalid_token"'
