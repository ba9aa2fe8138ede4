from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from chat.settings import Settings
from ops.logs import OURS, REDACTED, TALKATIVE, UVICORN, configure, redact

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl-_x"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """Put everything back that `configure` changes: the loggers belong to the whole test run."""
    names = ("", OURS, *UVICORN, *TALKATIVE)
    kept = [
        (logger, logger.level, logger.propagate, logger.handlers[:])
        for logger in map(logging.getLogger, names)
    ]
    yield
    for logger, level, propagate, handlers in kept:
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def configured(
    log_format: str = "json", log_level: str = "info", stream: io.StringIO | None = None
) -> io.StringIO:
    into = io.StringIO() if stream is None else stream
    configure(
        Settings.from_environment({"PALAVER_LOG_FORMAT": log_format, "PALAVER_LOG_LEVEL": log_level}), into
    )
    return into


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_json_tells_when_who_how_bad_and_what() -> None:
    stream = configured()

    logging.getLogger("palaver.storage").warning(
        "slow query", extra={"statement": "messages.page", "took_ms": 12.5}
    )

    (line,) = lines(stream)
    assert line["event"] == "slow query"
    assert (line["logger"], line["level"]) == ("palaver.storage", "warning")
    assert (line["statement"], line["took_ms"]) == ("messages.page", 12.5)
    assert line["timestamp"].endswith("Z")


def test_a_structured_logger_writes_the_same_kind_of_line() -> None:
    stream = configured()

    structlog.get_logger("palaver.hub").info("joined", channel="main:1")

    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["level"]) == ("joined", "palaver.hub", "info")
    assert line["channel"] == "main:1"


def test_the_request_id_of_the_context_is_on_every_line() -> None:
    stream = configured()
    structlog.contextvars.bind_contextvars(request_id="r-1")

    logging.getLogger("palaver.rest").info("one")
    structlog.get_logger("palaver.rest").info("two")

    assert [line["request_id"] for line in lines(stream)] == ["r-1", "r-1"]


def test_uvicorn_logs_through_the_same_stream_once() -> None:
    logging.getLogger("uvicorn.error").addHandler(logging.StreamHandler(io.StringIO()))
    stream = configured()

    logging.getLogger("uvicorn.error").info("Process [%d]", 7, extra={"color_message": "Process [\x1b[36m%d"})

    (line,) = lines(stream)
    assert line["event"] == "Process [7]"
    assert "color_message" not in line


def test_configuring_twice_does_not_double_the_lines() -> None:
    configured()
    stream = configured()

    logging.getLogger("palaver.rest").info("once")

    assert len(lines(stream)) == 1


def test_the_level_holds_for_both_kinds_of_loggers() -> None:
    stream = configured(log_level="warning")

    logging.getLogger("palaver.rest").info("too quiet")
    structlog.get_logger("palaver.rest").info("too quiet")
    logging.getLogger("palaver.rest").error("heard")

    assert [line["event"] for line in lines(stream)] == ["heard"]


def test_debug_opens_our_own_mouth_and_no_library_s() -> None:
    stream = configured(log_level="debug")

    logging.getLogger("aiosqlite").debug("INSERT … 'a private message'")
    logging.getLogger("websockets.server").debug("< TEXT 'a private message'")
    logging.getLogger("palaver.hub").debug("ours")

    assert [line["event"] for line in lines(stream)] == ["ours"]


def test_a_traceback_is_structured_and_shows_no_variables() -> None:
    stream = configured()

    def fail(body: str) -> None:
        raise ValueError(f"cannot take {len(body)} bytes")

    try:
        fail("a private message")
    except ValueError:
        logging.getLogger("palaver.rest").exception("request failed")

    (line,) = lines(stream)
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert line["exception"][0]["frames"][-1]["name"] == "fail"
    assert "a private message" not in stream.getvalue()


def test_a_traceback_on_the_console_shows_no_variables_either() -> None:
    stream = configured("console")
    secret = "a private message"

    try:
        raise ValueError(len(secret))
    except ValueError:
        structlog.get_logger("palaver.rest").exception("request failed")

    assert "ValueError: 17" in stream.getvalue()
    assert secret not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_token_leaves_however_it_came_in(log_format: str) -> None:
    stream = configured(log_format, stream=Terminal())
    logger = logging.getLogger("uvicorn.access")

    logger.info("GET /x?access_token=%s&y=1", JWT)
    logger.info("authorization: Bearer opaque-secret")
    logger.info("refused", extra={"token": "opaque-secret", "deep": {"list": [{"token": "opaque-secret"}]}})
    structlog.get_logger("palaver.x").warning(
        "refused", authorization="opaque-secret", raw=f'{{"token": "{JWT}"}}'
    )
    try:
        raise ValueError(f"Bearer {JWT}")
    except ValueError:
        logger.exception("failed")

    assert JWT.split(".")[1] not in stream.getvalue()
    assert "opaque-secret" not in stream.getvalue()
    assert REDACTED in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (JWT, REDACTED),
        (f"at {JWT}.", f"at {REDACTED}"),
        ("Bearer abc, next", f"Bearer {REDACTED}, next"),
        ("bearer\tabc", f"bearer\t{REDACTED}"),
        ("/ws?token=abc&x=1", f"/ws?token={REDACTED}&x=1"),
        ("secret=abc", f"secret={REDACTED}"),
        ('{"token": "abc", "x": 1}', f'{{"token": "{REDACTED}", "x": 1}}'),
        ("{'password': 'abc'}", f"{{'password': '{REDACTED}'}}"),
        ("the token has expired", "the token has expired"),
        ("tokens=3", "tokens=3"),
        ("a bearer of news", f"a bearer {REDACTED} news"),
    ],
)
def test_what_looks_like_a_token_is_taken_out(text: str, redacted: str) -> None:
    assert redact(text) == redacted


def test_auto_is_json_for_a_file_and_lines_for_a_terminal() -> None:
    file, terminal = configured("auto"), Terminal()
    logging.getLogger("palaver.rest").info("hello")
    configured("auto", stream=terminal)
    logging.getLogger("palaver.rest").info("hello")

    assert lines(file)[0]["event"] == "hello"
    assert "hello" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


def test_hostile_text_cannot_write_over_a_terminal_or_forge_a_line_of_json() -> None:
    terminal = configured("console", stream=Terminal())
    logging.getLogger("palaver.rest").info("name \x1b[2J\x9b2J", extra={"path": "/\x1b]0;x\x07"})
    file = configured("json")
    logging.getLogger("palaver.rest").info('x"}\n{"event": "forged"}', extra={"path": "\ud800"})

    assert "\x1b[2J" not in terminal.getvalue()
    assert "\x9b" not in terminal.getvalue()
    assert "\x1b]0" not in terminal.getvalue()
    assert len(lines(file)) == 1


def test_what_json_does_not_know_is_written_by_its_repr() -> None:
    stream = configured()

    structlog.get_logger("palaver.x").info("odd", thing={1, 2}, raw=b"\xff")

    assert lines(stream)[0]["thing"] == "{1, 2}"
