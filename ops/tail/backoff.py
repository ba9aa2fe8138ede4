"""How long to wait before coming back: longer each time, never the same for all."""

from __future__ import annotations

import random

FIRST_S = 0.5
LONGEST_S = 10.0


class Backoff:
    """Pauses that double up to LONGEST_S; each is random, half of that at least, so that clients spread."""

    def __init__(self) -> None:
        self._ceiling_s = FIRST_S

    def next_s(self) -> float:
        """Return the next pause."""
        # Spreads the load; keeps no secret.
        pause_s = random.uniform(self._ceiling_s / 2, self._ceiling_s)  # noqa: S311
        self._ceiling_s = min(self._ceiling_s * 2, LONGEST_S)
        return pause_s

    def reset(self) -> None:
        """Begin with short pauses again, after a success."""
        self._ceiling_s = FIRST_S
