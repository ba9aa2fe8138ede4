"""The real Litestream under a test: one child that copies database files into a folder, and the ways to end it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

from chat.replication import Replica
from tests.support.waiting import until_awaited

SYNC_TIMEOUT_S = 2.0
EXIT_TIMEOUT_S = 30.0
RESTORE_TIMEOUT_S = 60.0
MONITOR_INTERVAL = "10s"
"""Litestream copies this seldom by itself, so that a test sees what a sync does and nothing else."""
SYNCED = ("synced", "no_change")


def litestream() -> str:
    """Return the binary that was installed beside this interpreter."""
    return str(Path(sys.executable).with_name("litestream"))


class Litestream:
    """A Replicator on a child of its own: `files` by persona, copied into `<folder>/replica/<file stem>`."""

    def __init__(self, folder: Path, files: Mapping[str, Path]) -> None:
        self._files = files
        self._replicas = folder / "replica"
        self._socket = folder / "litestream.sock"
        self._config = folder / "litestream.yml"
        self._log = folder / "litestream.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=str(self._socket)), base_url="http://litestream"
        )

    async def __aenter__(self) -> Litestream:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
        await self._http.aclose()

    async def start(self) -> None:
        """Start the child and return when it answers."""
        self._config.write_text(json.dumps(self._settings()))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [litestream(), "replicate", "-config", str(self._config)], stdout=log, stderr=log, env={}
            )
        await until_awaited(self._answers, "Litestream to answer")

    async def kill(self) -> None:
        """End the child at once."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait, EXIT_TIMEOUT_S)
            self._process = None

    def send_signal(self, number: signal.Signals) -> None:
        """Send the child a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def replicas(self) -> Sequence[Replica]:
        return ()

    async def sync(self, persona: str) -> bool:
        body = {"path": str(self._files[persona]), "wait": True, "timeout": int(SYNC_TIMEOUT_S)}
        try:
            answer = await self._http.post("/sync", json=body, timeout=SYNC_TIMEOUT_S)
        except httpx2.TransportError:
            return False
        return answer.is_success and answer.json()["status"] in SYNCED

    def restore(self, persona: str, output: Path) -> Path:
        """Restore a file from what is on the replica now."""
        command = [litestream(), "restore", "-o", str(output), f"file://{self._replica_of(persona)}"]
        subprocess.run(command, check=True, capture_output=True, timeout=RESTORE_TIMEOUT_S, env={})
        return output

    def _replica_of(self, persona: str) -> Path:
        return self._replicas / self._files[persona].stem

    def _settings(self) -> dict[str, Any]:
        databases = [
            {
                "path": str(path),
                "monitor-interval": MONITOR_INTERVAL,
                "replica": {"type": "file", "path": str(self._replica_of(persona)), "sync-interval": "10s"},
            }
            for persona, path in self._files.items()
        ]
        return {
            "socket": {"enabled": True, "path": str(self._socket), "permissions": 0o600},
            "dbs": databases,
        }

    async def _answers(self) -> bool:
        try:
            return (await self._http.get("/info", timeout=SYNC_TIMEOUT_S)).is_success
        except httpx2.TransportError:
            return False
