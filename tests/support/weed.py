"""Another real S3: `weed server -s3`, which heeds conditions on writes as Amazon's does."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from tests.support.ports import LOOPBACK, free_port
from tests.support.s3 import BUCKET, KEY_ID, REGION, SECRET
from tests.support.waiting import STEP_S

READY_TIMEOUT_S = 60.0
PARTS = ("master", "volume", "filer", "s3")


class WeedServer:
    """One folder and the process that keeps a bucket in it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.log = folder.with_name(folder.name + ".log")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    async def start(cls, folder: Path) -> WeedServer:
        """Start it with one empty bucket; return when that takes objects."""
        server = cls(folder)
        folder.mkdir(parents=True)
        with server.log.open("ab") as log:
            server._process = subprocess.Popen(
                server._command(), env=server._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            await server._ready()
        except BaseException:
            server.close()
            raise
        return server

    def settings(self, path: str = "chat") -> dict[str, str]:
        """Return the settings of a server that replicates to `path` in the bucket."""
        return {
            "replica": f"s3://{BUCKET}/{path}",
            "replica_endpoint": f"http://{LOOPBACK}:{self.port}",
            "replica_region": REGION,
            "replica_access_key_id": KEY_ID,
            "replica_secret_access_key": SECRET,
        }

    def close(self) -> None:
        """Leave nothing running; its own end takes too long."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _command(self) -> list[str]:
        ports = [f"-{part}.port.grpc={free_port()}" for part in PARTS]
        ports += [f"-{part}.port={free_port()}" for part in PARTS[:-1]]
        here = [f"-dir={self._folder}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", f"-s3.port={self.port}"]
        return [str(Path(sys.executable).with_name("weed")), "server", "-s3", *here, *ports]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}

    async def _ready(self) -> None:
        """Make the bucket as soon as somebody answers; with rclone, since that signs requests."""
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        async with httpx2.AsyncClient(trust_env=False, verify=False) as http:
            while True:
                try:
                    await http.get(f"http://{LOOPBACK}:{self.port}/")
                    break
                except httpx2.TransportError:
                    assert self._process is not None
                    if self._process.poll() is not None or time.monotonic() > deadline_s:
                        raise RuntimeError(f"weed does not answer\n{self.log.read_text()[-4000:]}") from None
                await asyncio.sleep(STEP_S)
        await asyncio.to_thread(subprocess.run, self._make_bucket(), env=self._rclone(), check=True)

    def _make_bucket(self) -> list[str]:
        return [str(Path(sys.executable).with_name("rclone")), "mkdir", f"weed:{BUCKET}"]

    def _rclone(self) -> dict[str, str]:
        """Describe the store as rclone wants it: by variables, without a file."""
        return {
            **os.environ,
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_CONFIG_WEED_TYPE": "s3",
            "RCLONE_CONFIG_WEED_PROVIDER": "SeaweedFS",
            "RCLONE_CONFIG_WEED_ENDPOINT": f"http://{LOOPBACK}:{self.port}",
            "RCLONE_CONFIG_WEED_ACCESS_KEY_ID": KEY_ID,
            "RCLONE_CONFIG_WEED_SECRET_ACCESS_KEY": SECRET,
        }
