"""Serves with a writer that is broken on purpose: a batch is acknowledged and pushed before it is committed.

The commit comes with the next batch, so that a crash finds acknowledged messages that nobody has kept. The
control of the crash tests: run under them, it must be found out.
"""

from __future__ import annotations

import sys
from typing import Any
from unittest.mock import patch

from ops.cli import main
from storage.writing import Writing

begin = Writing.begin


def begin_late(writing: Writing, connection: Any) -> None:
    """Commit what the batch before left open, and begin."""
    if connection.in_transaction:
        connection.execute("COMMIT")
    begin(writing, connection)


def finish_early(writing: Writing) -> None:
    """Write everything down, but leave the transaction open."""
    writing.flush()


if __name__ == "__main__":
    sys.argv = ["palaver", "serve"]
    with patch.object(Writing, "begin", begin_late), patch.object(Writing, "finish", finish_early):
        main()
