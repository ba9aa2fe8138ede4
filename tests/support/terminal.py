"""A command on a terminal of its own, and what it shows before and after it is answered."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence

from tests.support.server import PROJECT

CHUNK_BYTES = 64 * 1024
TIMEOUT_S = 30.0


def answered(
    command: Sequence[str], environment: Mapping[str, str], question: str, answer: str
) -> tuple[int, str, str]:
    """Run a command and type `answer` to `question`; return the exit code, and what was shown before it and after.

    What it shows is as the terminal gets it, with every move of the cursor. Raises TimeoutError where it does not come
    to the question, or to its end.
    """
    keyboard, screen = pty.openpty()
    try:
        with subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**environment, "TERM": "xterm", "COLUMNS": "200"},
            stdin=screen,
            stdout=screen,
            stderr=screen,
            start_new_session=True,
        ) as process:
            os.close(screen)
            try:
                shown = _until(keyboard, question)
                os.write(keyboard, f"{answer}\n".encode())
                shown += _until(keyboard, None)
                code = process.wait(TIMEOUT_S)
            finally:
                process.kill()
    finally:
        os.close(keyboard)
    before, _, after = shown.partition(question)
    return code, before, after


def _until(keyboard: int, question: str | None) -> str:
    """Read until a question was shown, or to the end of the command."""
    shown, deadline_s = b"", time.monotonic() + TIMEOUT_S
    while question is None or question.encode() not in shown:
        if not select.select([keyboard], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
            raise TimeoutError(f"{question or 'its end'} did not come: {shown.decode(errors='replace')}")
        try:
            chunk = os.read(keyboard, CHUNK_BYTES)
        except OSError:
            # So Linux ends what a terminal shows, when its last user is gone.
            chunk = b""
        if not chunk:
            break
        shown += chunk
    return shown.decode(errors="replace")
