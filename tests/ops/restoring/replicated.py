"""A data folder whose files a real litestream copies to a folder or an S3 store, without a server."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from ops.restoring import binary, moment
from ops.restoring.place import Place
from storage.engine import sqlite3
from tests.support.waiting import STEP_S

UNCOMPACTED: dict[str, Any] = {
    "levels": [{"interval": "24h"}],
    "snapshot": {"interval": "24h", "retention": "48h"},
}
"""Options for whoever takes pieces away: once it has settled, no piece is copied into a larger one."""

SYNC_TIMEOUT_S = 20.0
READY_TIMEOUT_S = 60.0
EXIT_TIMEOUT_S = 60.0


class UnixConnection(HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("litestream", timeout=SYNC_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect, or leave no open socket behind."""
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            found.settimeout(SYNC_TIMEOUT_S)
            found.connect(str(self._path))
        except OSError:
            found.close()
            raise
        self.sock = found


class Replicated:
    """The daemon over the files of one data folder. Copies go out when `sync` asks, or by themselves each 50 ms."""

    def __init__(self, place: Place, files: tuple[str, ...] = ("main.db",), **options: object) -> None:
        self.place = place
        self.files = files
        self._options = options
        self._socket = place.data.parent / f"{place.data.name}.sock"
        self._log = place.data.parent / f"{place.data.name}.litestream.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Replicated:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.stop()

    def start(self) -> None:
        """Start the daemon and wait until it has copied every file once."""
        configuration = self._log.with_suffix(".json")
        configuration.write_text(json.dumps(self._configuration()))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [binary.find(self.place), "replicate", "-config", str(configuration)],
                env=binary.environment(self.place),
                stdout=log,
                stderr=log,
            )
        self.sync()

    def stop(self) -> None:
        """Stop the daemon in good order: what is committed is copied first."""
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(EXIT_TIMEOUT_S) == 0
        self._process = None

    def sync(self) -> int:
        """Copy what is committed, and return a moment after which no part of it was copied."""
        for file in self.files:
            self._sync(file)
        time.sleep(0.002)  # a moment is cut to the millisecond: the next one is wholly after the copy
        return moment.now_ms()

    def settle(self) -> None:
        """Wait for the whole copies that the daemon makes by itself in its first seconds, in a folder.

        In the same moment it looks what it can make larger pieces of, where there is more than one.
        """
        folder = self.place.target_folder
        assert folder is not None
        for file in self.files:
            deadline_s = time.monotonic() + READY_TIMEOUT_S
            while not any((folder / Path(file).stem).glob("ltx/9/*.ltx")):
                assert time.monotonic() < deadline_s, self._log.read_text()[-3000:]
                time.sleep(STEP_S)

    def _sync(self, file: str) -> None:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while problem := self._problem_of_sync(file):
            assert time.monotonic() < deadline_s, f"{problem}\n{self._log.read_text()[-3000:]}"
            time.sleep(STEP_S)

    def _problem_of_sync(self, file: str) -> str:
        body = {"path": str(self.place.data / file), "wait": True, "timeout": int(SYNC_TIMEOUT_S)}
        connection = UnixConnection(self._socket)
        try:
            connection.request("POST", "/sync", json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read().decode()
            return "" if answer.status == HTTPStatus.OK else said
        except OSError as error:
            return str(error)
        finally:
            connection.close()

    def _configuration(self) -> dict[str, object]:
        return {
            "logging": {"level": "info", "type": "json", "stderr": True},
            "socket": {"enabled": True, "path": str(self._socket), "permissions": 0o600},
            "levels": [{"interval": "1s"}, {"interval": "10s"}],
            "snapshot": {"interval": "1h", "retention": "24h"},
            "dbs": [self._entry(file) for file in self.files],
            **self._options,
        }

    def _entry(self, file: str) -> dict[str, object]:
        known = json.loads(binary.configuration(self.place, Path(file).stem))["dbs"][0]
        replica = {**known["replica"], "sync-interval": "50ms"}
        return {"path": str(self.place.data / file), "monitor-interval": "50ms", "replica": replica}


def place_in(folder: Path) -> Place:
    """Return the place of a data folder with the default target."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    return Place(data=data)


def query(path: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Ask a database file."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        found: list[tuple[object, ...]] = connection.execute(statement, values).fetchall()
        return found
    finally:
        connection.close()


def beat(path: Path) -> int:
    """Write the heartbeat that a server writes, and return its time."""
    now_ms = moment.now_ms()
    query(path, "INSERT OR REPLACE INTO meta (key, value) VALUES ('heartbeat', ?)", str(now_ms))
    return now_ms
