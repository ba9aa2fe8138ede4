"""Serves with a writer that is broken on purpose: a batch is pushed, then committed, then acknowledged.

All that is acknowledged is kept, and still a crash between the first two leaves subscribers with messages
that nobody has. The second control of the crash tests: run under them, it must be found out.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

from chat.store import Committed, Draft
from chat.writer import Writer
from ops.cli import main
from storage import batch
from storage.writing import Writing

WINDOW_S = 0.02
"""How long the pushed batch stays uncommitted, so that a crash can come in between."""

make = Writer.__init__
writers: list[tuple[Writer, asyncio.AbstractEventLoop]] = []


def make_known(writer: Writer, *arguments: Any, **options: Any) -> None:
    """Keep the writer at hand, with its loop: the batch is written in another thread."""
    make(writer, *arguments, **options)
    writers.append((writer, asyncio.get_running_loop()))


def write_and_push(connection: Any, writing: Writing, drafts: Sequence[Draft]) -> list[batch.Outcome]:
    """Push the batch before its transaction is finished."""
    writing.begin(connection)
    outcomes = [batch._write_one(writing, draft) for draft in drafts]
    committed = [outcome for outcome in outcomes if isinstance(outcome, Committed)]
    for writer, loop in writers:
        loop.call_soon_threadsafe(writer._broker.publish, committed)
    time.sleep(WINDOW_S)
    writing.finish()
    return outcomes


if __name__ == "__main__":
    sys.argv = ["palaver", "serve"]
    with patch.object(Writer, "__init__", make_known), patch.object(batch, "_write_together", write_and_push):
        main()
