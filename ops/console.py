"""The console: where commands draw their tables."""

from __future__ import annotations

from rich.console import Console

COLUMNS_UNKNOWN = 80
"""What rich takes where there is neither a terminal nor COLUMNS."""

COLUMNS_ELSEWHERE = 160
"""How wide a file or a pipe is: a table is easier to read whole than folded."""


def console() -> Console:
    """Return standard output, as wide as its terminal; wide where there is none."""
    made = Console()
    if made.is_terminal or made.width != COLUMNS_UNKNOWN:
        return made
    return Console(width=COLUMNS_ELSEWHERE)
