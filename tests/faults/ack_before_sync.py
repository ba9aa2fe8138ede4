"""Serves with a watermark that is broken on purpose: it says `replicated` without having asked for a sync.

The control of the tests that lose machines: run under them, it must be found out.
"""

from __future__ import annotations

import sys
from unittest.mock import patch

from chat.watermark import Watermark
from ops.cli import main


async def believe(watermark: Watermark, epoch: str) -> bool:
    """Take for granted that everything is on the replica."""
    return True


if __name__ == "__main__":
    sys.argv = ["palaver", "serve"]
    with patch.object(Watermark, "_prove", believe):
        main()
