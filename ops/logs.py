"""Logs: one line per event on standard error, as JSON or for a person's eyes, without secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from typing import TextIO

import structlog
from structlog.processors import ExceptionRenderer, JSONRenderer, TimeStamper
from structlog.stdlib import ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from chat.settings import Settings

OURS = "palaver"
UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")
# A line for each request that we make ourselves, and the supervisor makes many in a second.
TALKATIVE = ("httpx2",)
TRACEBACK_FRAMES_MAX = 50
REDACTED = "[redacted]"
SECRET_FIELDS = frozenset({"token", "secret", "password", "authorization", "cookie"})

# A JWT wherever it stands, whatever follows `Bearer`, and what a parameter or a field of that name says.
_SECRETS = re.compile(
    r"""eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)*
      | (?P<before> bearer\s+ | (?:token|secret|password)(?:=|["']:\s*["'])) [^\s"'&;,\\]+
    """,
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
# Control characters that could write over a terminal; the end of a line and a tab do no harm.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send everything that is logged in this process to `stream` (standard error), as the settings say.

    At level debug only our own loggers say more: what libraries tell there are statements and whole frames.
    """
    into = sys.stderr if stream is None else stream
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not into.isatty())
    handler = logging.StreamHandler(into)
    handler.setFormatter(_formatter(_json() if as_json else _console(into.isatty())))
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.INFO))
    logging.getLogger(OURS).setLevel(level)
    for name in UVICORN:
        _hand_up(logging.getLogger(name))
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    _configure_structlog(level)


def redact(text: str) -> str:
    """Take out of `text` whatever looks like a token: the last line of defence, not the first."""
    return _SECRETS.sub(lambda found: (found["before"] or "") + REDACTED, text)


def _hand_up(logger: logging.Logger) -> None:
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def _configure_structlog(level: int) -> None:
    structlog.configure(
        processors=[*_fields(), ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def _formatter(renderers: list[Processor]) -> ProcessorFormatter:
    # The standard library's loggers, uvicorn's and most of ours, get the same fields; `extra` becomes fields.
    return ProcessorFormatter(
        foreign_pre_chain=[*_fields(), structlog.stdlib.ExtraAdder(), _said_once],
        processors=[ProcessorFormatter.remove_processors_meta, _without_secrets, *renderers],
    )


def _fields() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        TimeStamper(fmt="iso", utc=True),
    ]


def _json() -> list[Processor]:
    # Without the frames' variables: they are bodies and tokens.
    frames = ExceptionDictTransformer(show_locals=False, max_frames=TRACEBACK_FRAMES_MAX)
    return [ExceptionRenderer(frames), _redacted(JSONRenderer(default=repr))]


def _console(colors: bool) -> list[Processor]:
    plain = structlog.dev.plain_traceback
    return [
        _without_controls,
        _redacted(structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)),
    ]


def _redacted(renderer: Callable[[WrappedLogger, str, EventDict], str | bytes]) -> Processor:
    """Wrap `renderer` so that no token leaves it, however deep it was nested."""

    def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
        line = renderer(logger, method, event)
        return redact(line if isinstance(line, str) else line.decode())

    return render


def _said_once(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    # uvicorn adds its message a second time, with colours.
    event.pop("color_message", None)
    return event


def _without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for field in SECRET_FIELDS & event.keys():
        event[field] = REDACTED
    return event


def _without_controls(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {
        field: value.translate(_CONTROLS) if isinstance(value, str) else value
        for field, value in event.items()
    }
