"""`python -m ops.replica_look FILE`: one look at what the replica has of a file, in a process that can be killed.

It reads the settings as JSON from its standard input, where no list of processes shows them, and prints what it saw.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

import msgspec

from chat.settings import Settings
from ops.restore_place import place_of
from ops.restoring import plan as planning
from ops.restoring import windows
from ops.restoring.place import Place
from ops.restoring.refusal import Refused
from ops.restoring.windows import Hole

ASK_TIMEOUT_S = 30.0
EXIT_REFUSED = 75
"""EX_TEMPFAIL of sysexits.h: the replica could not be looked at; any other failure is not its doing."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the replica has of one file. `broken` says why the newest copy cannot be restored, empty where it can."""

    broken: str = ""
    holes: tuple[Hole, ...] = ()
    since_ms: int = 0

    @property
    def well(self) -> bool:
        """Tell whether nothing is missing."""
        return not self.broken and not self.holes


async def look_apart(settings: Settings, file: str) -> Seen:
    """Look as `look` does, in a process of its own; it and what it started are killed when this is cancelled.

    A thread could not be: the end of the server would wait for it, and for a store that hangs.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops.replica_look", file),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise Refused(f"the look at the replica could not be started: {error}") from error
    try:
        seen, said = await process.communicate(msgspec.json.encode(settings))
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    reason = said.decode(errors="replace").strip()
    if process.returncode == EXIT_REFUSED:
        raise Refused(reason)
    if process.returncode != 0:
        raise RuntimeError(f"the look at the replica ended with {process.returncode}: {reason}")
    return msgspec.json.decode(seen, type=Seen)


def look(place: Place, file: str) -> Seen:
    """Ask for the pieces of one file's copy and for a plan; takes seconds.

    Raises Refused where the replica did not answer.
    """
    window = windows.window(place, file, ASK_TIMEOUT_S)
    holes = window.holes if window is not None else ()
    try:
        planning.plan(place, file, None, ASK_TIMEOUT_S)
    except Refused as refused:
        windows.window(place, file, ASK_TIMEOUT_S)  # raises, where it was the replica that was refused
        return Seen(broken=str(refused), holes=holes)
    return Seen(holes=holes)


def main() -> int:
    """Look once, and return the exit code."""
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)
    try:
        seen = look(place_of(settings), sys.argv[1])
    except Refused as refused:
        print(refused, file=sys.stderr)
        return EXIT_REFUSED
    sys.stdout.buffer.write(msgspec.json.encode(seen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
