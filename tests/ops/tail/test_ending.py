"""Codes of errors and closes, as reasons to come back or to stop with a word of advice."""

from __future__ import annotations

import pytest

from ops.tail.backoff import FIRST_S, LONGEST_S, Backoff
from ops.tail.connection import socket_url
from ops.tail.ending import Ending, ExitCode, Lost, ending_of_close, ending_of_failure
from ops.tail.wire import Failure


@pytest.mark.parametrize("code", [1000, 1006, 1012, 3000, 3001, 3004, 3008, 3012, 3014, 3499, 4000, 4499])
def test_these_closes_are_come_back_from(code: int) -> None:
    assert isinstance(ending_of_close(code, "so it is"), Lost)


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (3005, ExitCode.TOKEN),
        (3500, ExitCode.TOKEN),
        (3501, ExitCode.REFUSED),
        (3999, ExitCode.REFUSED),
        (4500, ExitCode.REFUSED),
        (4999, ExitCode.REFUSED),
    ],
)
def test_these_closes_are_final(code: int, exit_code: ExitCode) -> None:
    ending = ending_of_close(code, "so it is")
    assert isinstance(ending, Ending)
    assert ending.code is exit_code


def test_a_temporary_error_is_come_back_from_whatever_its_number() -> None:
    assert isinstance(ending_of_failure(Failure(102, "x", temporary=True), "c"), Lost)


def test_an_unknown_conversation_is_named_with_what_to_check() -> None:
    assert "main:0192" in str(ending_of_failure(Failure(102, "unknown"), "main:0192"))


def test_pauses_grow_to_a_limit_are_never_equal_for_all_and_begin_anew_after_a_success() -> None:
    backoff = Backoff()
    first_s = backoff.next_s()
    assert FIRST_S / 2 <= first_s <= FIRST_S
    pauses_s = [backoff.next_s() for _ in range(20)]
    assert LONGEST_S / 2 <= pauses_s[-1] <= LONGEST_S
    assert len(set(pauses_s)) == len(pauses_s)
    backoff.reset()
    assert backoff.next_s() <= FIRST_S


@pytest.mark.parametrize(
    ("url", "socket"),
    [
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/connection/websocket"),
        ("https://chat.example/base/", "wss://chat.example/base/connection/websocket"),
        ("ws://[::1]:9", "ws://[::1]:9/connection/websocket"),
    ],
)
def test_the_socket_is_below_the_servers_address(url: str, socket: str) -> None:
    assert socket_url(url) == socket


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:8000", "localhost", "ftp://x", "http://", "", "http://x:99999", "http://x:y", "http://[1"],
)
def test_what_is_no_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(Ending, match="http://127"):
        socket_url(url)
