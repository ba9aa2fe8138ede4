"""What a person sees: the rows that a terminal shows after what was written to it."""

from __future__ import annotations

import re

from rich.cells import cell_len

TOKEN = re.compile(r"\x1b\[(?P<parameter>[0-9;?]*)(?P<code>[A-Za-z])|(?P<plain>[^\x1b])", re.DOTALL)


class Glass:
    """A terminal of `width` cells and no last row; knows the codes that the footer needs, and no others."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._rows = [""]
        self._row = 0
        self._rest = ""

    def write(self, text: str) -> None:
        """Obey; an escape sequence that is cut in two waits for its other half."""
        text = self._rest + text
        end = 0
        for token in TOKEN.finditer(text):
            assert token.start() == end, f"what is {text[end : token.start()]!r}?"
            end = token.end()
            if token["plain"]:
                self._put(token["plain"])
            else:
                self._obey(token["code"], token["parameter"])
        self._rest = text[end:]

    def rows(self) -> list[str]:
        """Return the rows down to the last one with text."""
        return "\n".join(self._rows).rstrip("\n").split("\n")

    def _put(self, letter: str) -> None:
        if letter == "\n":
            self._go_to(self._row + 1)
        elif letter == "\r":
            # All that comes after it here is an erasure, so the column does not matter.
            return
        else:
            if cell_len(self._rows[self._row] + letter) > self._width:
                self._go_to(self._row + 1)
            self._rows[self._row] += letter

    def _obey(self, code: str, parameter: str) -> None:
        match code:
            case "A":
                self._go_to(self._row - int(parameter))
            case "K":
                self._rows[self._row] = ""
            case "J":
                self._rows = [""]
                self._row = 0
            case "H" | "m":
                return
            case _:
                raise AssertionError(f"what is {code}?")

    def _go_to(self, row: int) -> None:
        self._row = row
        self._rows += [""] * (row + 1 - len(self._rows))
