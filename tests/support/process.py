"""A server of somebody else's making as a process of its own on a free loopback port, for as long as a test lasts."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.ports import LOOPBACK
from tests.support.waiting import STEP_S

READY_TIMEOUT_S = 30.0


class Process:
    """A running server; what it prints goes to a file."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @classmethod
    async def start(
        cls, command: Sequence[str], port: int, log: Path, variables: Mapping[str, str] | None = None
    ) -> Process:
        """Start it and return when it takes connections; raises RuntimeError with what it printed."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
        with log.open("wb") as output:
            started = subprocess.Popen(
                command,
                env={**environment, "RCLONE_CONFIG": os.devnull, **(variables or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        process, deadline_s = cls(started), time.monotonic() + READY_TIMEOUT_S
        while not _listens(port):
            if started.poll() is not None or time.monotonic() > deadline_s:
                process.close()
                raise RuntimeError(f"{command[0]} does not answer\n{log.read_text()[-4000:]}")
            await asyncio.sleep(STEP_S)
        return process

    def close(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


def installed(name: str) -> str:
    """Return the program of that name beside this interpreter, where pip puts it."""
    return str(Path(sys.executable).with_name(name))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
