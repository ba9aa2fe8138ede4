"""The line that is being typed, key by key: as little as a terminal's own, but never hidden by what comes in."""

from __future__ import annotations

from codecs import getincrementaldecoder
from enum import Enum

TEXT_MAX = 1024 * 1024
"""Characters that a line may have; what is typed beyond is not taken."""

ENTER = "\r\n"
ERASE = "\x7f\b"
ERASE_WORD = "\x17"
ERASE_LINE = "\x15"
END = "\x04"
ESCAPE = "\x1b"
SEQUENCE_ENDS = ("@", "~")


class Key(Enum):
    """Where in the bytes of a key the editor is; a key without a letter is an escape sequence."""

    LETTER = "letter"
    ESCAPED = "escaped"
    SEQUENCE = "sequence"
    LAST = "last"


class Editor:
    """Takes keys; `text` is the line so far, `is_over` tells that Ctrl-D was pressed on an empty one."""

    def __init__(self) -> None:
        self.text = ""
        self.is_over = False
        self._key = Key.LETTER
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def feed(self, keys: bytes) -> list[str]:
        """Take keys, and return the lines that Enter ended; empty ones are passed over."""
        return [line for key in self._decoder.decode(keys) if (line := self._press(key))]

    def _press(self, key: str) -> str:
        """Take one character of a key, and return the line if that ends it."""
        if self._key is not Key.LETTER or key == ESCAPE:
            self._key = self._next(key)
        elif key in ENTER:
            line, self.text = self.text, ""
            return line
        else:
            self._edit(key)
        return ""

    def _next(self, key: str) -> Key:
        """Follow an escape sequence to its end (ECMA-48 §5.4); keys such as arrows do nothing here."""
        if key == ESCAPE:
            return Key.ESCAPED
        if self._key is Key.ESCAPED:
            return {"[": Key.SEQUENCE, "O": Key.LAST}.get(key, Key.LETTER)
        first, last = SEQUENCE_ENDS
        return Key.SEQUENCE if self._key is Key.SEQUENCE and not first <= key <= last else Key.LETTER

    def _edit(self, key: str) -> None:
        if key in ERASE:
            self.text = self.text[:-1]
        elif key == ERASE_LINE:
            self.text = ""
        elif key == ERASE_WORD:
            self.text = self.text.rstrip()
            self.text = self.text[: self.text.rfind(" ") + 1]
        elif key == END:
            self.is_over = self.is_over or not self.text
        elif (key.isprintable() or key == "\t") and len(self.text) < TEXT_MAX:
            self.text += key
