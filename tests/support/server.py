"""The real server: `palaver serve` as a subprocess on a free loopback port, with the ways to end it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import httpx2

from tests.support import tokens
from tests.support.ports import LOOPBACK, free_port

MEASURED = "COVERAGE_PROCESS_CONFIG"
PROJECT = Path(__file__).resolve().parents[2]
READY_TIMEOUT_S = 60.0
READY_STEP_S = 0.03
"""Each look is a request, and takes from the server the processor that it needs to start."""
EXIT_TIMEOUT_S = 60.0
LOG_TAIL_BYTES = 4_000


class Server:
    """One data folder and the process that serves it; the port stays the same over restarts.

    Settings are given by their names in lower case: `rate_per_s=50` becomes PALAVER_RATE_PER_S. Replication is off
    unless `replica` says where to: a test of something else needs no second process.
    """

    def __init__(self, data_dir: Path, command: Sequence[str], settings: dict[str, object]) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.log = data_dir.with_name(data_dir.name + ".log")
        self.ready_s = 0.0
        self._command = list(command)
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    async def start(
        cls, data_dir: Path, *, command: Sequence[str] | None = None, **settings: object
    ) -> Server:
        """Start a server on `data_dir` and return it ready; raises RuntimeError with the log's tail.

        `command` replaces `palaver serve` by another program that takes the same environment.
        """
        server = cls(data_dir, command or palaver("serve"), settings)
        try:
            await server.launch()
        except BaseException:
            await server.close()
            raise
        return server

    @property
    def url(self) -> str:
        """Return the base address of REST."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Return the address of the socket."""
        return f"ws://{LOOPBACK}:{self.port}/connection/websocket"

    @property
    def pid(self) -> int:
        """Return the process id of the running server."""
        return self._running().pid

    @property
    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process is not None and self._process.poll() is None

    async def launch(self, **settings: object) -> None:
        """Start the process again after it ended, with `settings` changed, and wait until it is ready."""
        self._settings.update(settings)
        self.spawn()
        await self.ready()

    def set_up(self, command: Sequence[str], **settings: object) -> None:
        """Change the command and settings of the next start."""
        self._command = list(command)
        self._settings.update(settings)

    def spawn(self) -> None:
        """Start the process without waiting for anything."""
        if self.alive:
            raise RuntimeError("this server runs already")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=PROJECT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until /readyz answers 200, and note in `ready_s` how long it took since this call."""
        started_s = time.monotonic()
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False, verify=False) as http:
            while not await _answers(http):
                if not self.alive or time.monotonic() > started_s + timeout_s:
                    raise self._not_ready()
                await asyncio.sleep(READY_STEP_S)
        self.ready_s = time.monotonic() - started_s

    async def kill(self) -> None:
        """End the process at once, as a crash does (SIGKILL)."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """Ask the process to stop (SIGTERM) and return its exit code."""
        return await self._end(signal.SIGTERM)

    async def interrupt(self) -> int:
        """Stop the process as Ctrl-C does (SIGINT) and return its exit code."""
        return await self._end(signal.SIGINT)

    async def restart(self, **settings: object) -> None:
        """Stop the server in good order and start it on the same folder and port."""
        code = await self.terminate()
        if code != 0:
            raise RuntimeError(f"the server exited with {code} after SIGTERM\n{self.tail()}")
        await self.launch(**settings)

    async def restart_after_kill(self, **settings: object) -> None:
        """Kill the server and start it on the same folder and port."""
        await self.kill()
        await self.launch(**settings)

    def send_signal(self, number: signal.Signals) -> None:
        """Send the running process a signal."""
        self._running().send_signal(number)

    def token(self, user: str, ttl: str = "24h", scope: str | None = None, **claims: object) -> str:
        """Return a token of `user`, signed with the server's own secret."""
        return tokens.sign(self.data_dir, user, ttl, scope, **claims)

    def tokens(self, users: Iterable[str]) -> dict[str, str]:
        """Return a token for each of `users`."""
        return {user: self.token(user) for user in users}

    def tail(self, size_bytes: int = LOG_TAIL_BYTES) -> str:
        """Return the end of what the server printed."""
        return self.log.read_bytes()[-size_bytes:].decode(errors="replace") if self.log.exists() else ""

    def environment(self) -> dict[str, str]:
        """Return the process's environment: ours without any PALAVER_ setting, and those of this server."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PALAVER_")}
        named = {
            "data": self.data_dir,
            "host": LOOPBACK,
            "port": self.port,
            "replica": "off",
            **self._settings,
        }
        return inherited | {f"PALAVER_{name.upper()}": str(value) for name, value in named.items()}

    async def close(self) -> None:
        """Leave nothing running; for the end of a test. Where coverage is measured, in good order."""
        if self.alive:
            await (self.terminate() if MEASURED in os.environ else self.kill())

    async def _end(self, number: signal.Signals) -> int:
        process = self._running()
        process.send_signal(number)
        return await asyncio.to_thread(process.wait, EXIT_TIMEOUT_S)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the server does not run\n{self.tail()}")
        return self._process

    def _not_ready(self) -> RuntimeError:
        state = "runs, but is not ready" if self.alive else "exited"
        return RuntimeError(f"the server {state}: {' '.join(self._command)}\n{self.tail()}")


def palaver(*arguments: str) -> list[str]:
    """Return the command line of `palaver` beside this interpreter, or of its module without one."""
    script = Path(sys.executable).with_name("palaver")
    return [str(script), *arguments] if script.exists() else [sys.executable, "-m", "ops.cli", *arguments]


async def _answers(http: httpx2.AsyncClient) -> bool:
    try:
        response = await http.get("/readyz")
    except httpx2.TransportError:
        return False
    return response.status_code == httpx2.codes.OK
