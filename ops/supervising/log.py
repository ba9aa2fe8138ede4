"""The child's log: its JSON lines become records of ours, without a credential, and the last ones are kept."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable, Mapping

import msgspec

LINE_BYTES_MAX = 64 * 1024
CHUNK_BYTES = 64 * 1024
LAST_LINES = 5
REDACTED = "[redacted]"

# What it tells of its daily work is for those who look for it; what goes wrong is for everybody.
_LEVELS = {
    "TRACE": logging.DEBUG,
    "DEBUG": logging.DEBUG,
    "INFO": logging.DEBUG,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
}
_TAKEN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime"}
_OWN = frozenset({"time", "level", "msg"})
# Some lines have a second field of this name, which says something else.
_LEVEL = re.compile(r'"level":"([A-Z]+)"')

logger = logging.getLogger("palaver.litestream")


class LitestreamLog:
    """Reads one child's standard error to its end. `secrets` are what must never be seen, the longest first.

    `heard` is called with the fields of each line that has some.
    Once `ending` is set, what it says is of no more weight: that it was interrupted, for each file a line.
    """

    def __init__(
        self, secrets: tuple[str, ...], heard: Callable[[Mapping[str, object]], None] | None = None
    ) -> None:
        self._secrets = secrets
        self._heard = heard
        self.ending = False
        self._last: deque[str] = deque(maxlen=LAST_LINES)

    @property
    def last(self) -> str:
        """Return what it said last, daily work left out."""
        return "; ".join(self._last)

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Hand on line after line until the child closes its end; a line that is too long is cut."""
        rest = b""
        while chunk := await stream.read(CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line)
            if len(rest) > LINE_BYTES_MAX:
                self._take(rest)
                rest = b""
        if rest:
            self._take(rest)

    def _take(self, line: bytes) -> None:
        text = line[:LINE_BYTES_MAX].decode(errors="replace").strip()
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        if not text:
            return
        try:
            fields = msgspec.json.decode(text, type=dict[str, object])
        except (msgspec.DecodeError, msgspec.ValidationError):
            # Before it has read its configuration, and when it panics, it speaks plainly.
            self._last.append(text)
            logger.warning("%s", text)
            return
        if self._heard is not None:
            self._heard(fields)
        found = _LEVEL.search(text)
        self._log(_LEVELS.get(found[1], logging.WARNING) if found else logging.WARNING, fields)

    def _log(self, level: int, fields: dict[str, object]) -> None:
        said, error = str(fields.get("msg", "")), fields.get("error")
        if level > logging.DEBUG:
            self._last.append(f"{said}: {error}" if error else said)
        extra = {
            f"{key}_" if key in _TAKEN else key: value for key, value in fields.items() if key not in _OWN
        }
        logger.log(logging.DEBUG if self.ending else level, "%s", said, extra=extra)
