"""A machine that can be lost: a server, its Litestream and its data folder, with nothing kept but S3 and the secret."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from ops.restoring.missing import restore_missing
from ops.restoring.place import Place
from tests.support.s3 import S3Server
from tests.support.server import Server
from tests.support.waiting import until

REPLICATED_TIMEOUT_S = 3.0
SECRET_FILE = "secret"


class Machine:
    """One server that replicates to an S3 server beside it."""

    def __init__(self, server: Server, s3: S3Server) -> None:
        self.server = server
        self.s3 = s3
        self.restore_s: list[float] = []
        self._secret = b""

    @classmethod
    async def start(cls, folder: Path, program: str = "") -> Machine:
        """Start both below `folder`; `program` is a module of this package that serves in the place of `palaver`."""
        s3 = await S3Server.start(folder / "s3")
        try:
            server = await Server.start(
                folder / "data",
                command=[sys.executable, "-m", f"tests.faults.{program}"] if program else None,
                replicated_timeout_s=REPLICATED_TIMEOUT_S,
                **s3.settings(),
            )
        except BaseException:
            s3.close()
            raise
        return cls(server, s3)

    @property
    def database(self) -> Path:
        """Return the database file."""
        return self.server.data_dir / "main.db"

    def copies(self) -> list[Path]:
        """Return the objects that S3 has of the database."""
        return self.s3.objects("chat/main")

    async def kill_server(self) -> None:
        """Kill the server; its Litestream ends with it."""
        await self.server.kill()
        await until(lambda: not self._litestreams(), "Litestream to follow the server")

    async def kill_litestream(self) -> None:
        """Kill the Litestream that copies this machine's files; nothing where none runs."""
        for pid in self._litestreams():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def lose(self) -> None:
        """Kill everything and delete the folder."""
        if self.server.alive:
            await self.kill_server()
        self._secret = (self.server.data_dir / SECRET_FILE).read_bytes()
        await asyncio.to_thread(shutil.rmtree, self.server.data_dir)

    async def rebuild(self) -> None:
        """Make a new machine from S3 alone, as `palaver serve --restore-if-missing` does before it serves."""
        self.server.data_dir.mkdir(mode=0o700)
        secret = self.server.data_dir / SECRET_FILE
        secret.touch(mode=0o600)
        secret.write_bytes(self._secret)
        started_s = time.monotonic()
        assert await asyncio.to_thread(restore_missing, Place.of(self.server.environment())) is not None
        self.restore_s.append(time.monotonic() - started_s)

    async def close(self) -> None:
        """Leave nothing running."""
        await self.server.close()
        await self.kill_litestream()
        self.s3.close()

    def _litestreams(self) -> list[int]:
        folder = os.fsencode(self.server.data_dir)
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and _is_litestream(entry, folder)
        ]


def _is_litestream(process: Path, folder: bytes) -> bool:
    try:
        command = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return command[0].endswith(b"litestream") and any(word.startswith(folder) for word in command[1:])
