"""Serves on a disk that is unsure on purpose: now and then a commit is durable, and reported as failed.

Nobody can know then whether the batch was stored. Its senders are told to try again and must get their first
answer; its subscribers must get its events all the same, and once.
"""

from __future__ import annotations

import random
import sys
from unittest.mock import patch

from ops.cli import main
from storage.engine import sqlite3
from storage.writing import Writing

UNSURE = 0.05
"""How many of the commits are reported as failed."""

finish = Writing.finish
chance = random.Random(1)


def finish_unsurely(writing: Writing) -> None:
    """Commit, and sometimes say that it failed."""
    finish(writing)
    if chance.random() < UNSURE:
        raise sqlite3.OperationalError("disk I/O error")


if __name__ == "__main__":
    sys.argv = ["palaver", "serve"]
    with patch.object(Writing, "finish", finish_unsurely):
        main()
