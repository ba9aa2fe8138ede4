"""One life of the litestream process: started with an environment of its own, read, and ended within a limit."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from os import getpid
from pathlib import Path

from ops.supervising.control_socket import LitestreamSocket, SocketFailed
from ops.supervising.log import LitestreamLog

TETHER = Path(__file__).with_name("tether.py")
KILL_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
ANSWER_STEP_S = 0.02
ASK_TIMEOUT_S = 1.0


class Ended(Exception):
    """The litestream process does not run, or not any more; the message says why."""


class LitestreamChild:
    """A running litestream. When this process dies, however it dies, the kernel kills it."""

    def __init__(self, process: asyncio.subprocess.Process, log: LitestreamLog) -> None:
        self._process = process
        self._log = log
        assert process.stderr is not None
        self._reading = asyncio.create_task(log.read(process.stderr))

    @classmethod
    async def start(
        cls,
        binary: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        secrets: tuple[str, ...],
        heard: Callable[[Mapping[str, object]], None] | None = None,
    ) -> LitestreamChild:
        """Start `binary`; raises OSError with what could not be started. `environment` is all that it gets.

        `secrets` never reach a log. `heard` is called with the fields of each line that it logs.
        """
        # Neither our environment nor anything installed has a say in how the tether runs.
        tether = (sys.executable, "-I", "-S", str(TETHER), str(getpid()))
        try:
            process = await asyncio.create_subprocess_exec(
                *tether,
                str(binary),
                *arguments,
                env=dict(environment),
                cwd="/",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                # Ctrl-C on a terminal goes to a whole group; the child must outlive the writer.
                start_new_session=True,
            )
        except OSError as error:
            # uvloop does not say which file it was.
            raise OSError(error.errno, error.strerror, error.filename or sys.executable) from error
        return cls(process, LitestreamLog(secrets, heard))

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Tell whether it is gone."""
        return self._process.returncode is not None

    async def answers(self, socket: LitestreamSocket, given_up: Callable[[], bool]) -> None:
        """Wait until it answers on its socket; raises Ended if it ends before, never does, or nobody waits any more."""
        deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
        while time.monotonic() < deadline_s and not given_up():
            if self.ended:
                raise Ended(f"Litestream does not start: {(await self.wait())[1]}")
            with contextlib.suppress(SocketFailed):
                if (await socket.info(ASK_TIMEOUT_S)).pid == self.pid:
                    return
            await asyncio.sleep(ANSWER_STEP_S)
        raise Ended("Litestream did not answer on its socket")

    async def gone(self) -> None:
        """Wait for its end."""
        await self._process.wait()

    async def wait(self) -> tuple[int, str]:
        """Wait for its end; return its exit code, below zero for a signal, and how it ended and what it said last."""
        code = await self._process.wait()
        # Shielded, for whoever gives up waiting must not stop the reading.
        await asyncio.shield(self._reading)
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        return code, f"it {how}{f': {self._log.last}' if self._log.last else ''}"

    def kill(self) -> None:
        """End it at once, whatever it has left to copy; `end` waits until it is gone."""
        self._log.ending = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def end(self, first_s: float, second_s: float) -> None:
        """End it: SIGTERM, after `first_s` another one, which stops its last copying, after `second_s` more SIGKILL."""
        self._log.ending = True
        with contextlib.suppress(ProcessLookupError):
            for number, patience_s in (
                (signal.SIGTERM, first_s),
                (signal.SIGTERM, second_s),
                (signal.SIGKILL, KILL_TIMEOUT_S),
            ):
                self._process.send_signal(number)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience_s):
                        await self._process.wait()
                        break
        await self._reading
