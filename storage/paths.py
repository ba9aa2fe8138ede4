"""Which persona lives in which file, for those that open none."""

from __future__ import annotations

from pathlib import Path

from chat.errors import Unknown
from chat.ids import MAIN, PERSONA

PREFIX = "persona_"


def path_of(folder: Path, persona: str) -> Path:
    """Return where a persona's file is; raises Unknown for what is no persona, so that no other file is ever named."""
    if not PERSONA.match(persona):
        raise Unknown
    return folder / (f"{MAIN}.db" if persona == MAIN else f"{PREFIX}{persona}.db")
