"""`palaver replicate` over one data folder, as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.support.server import PROJECT, palaver

EXIT_TIMEOUT_S = 60.0


class Replicate:
    """The command over one data folder."""

    def __init__(self, data: Path, **settings: object) -> None:
        self.data = data
        self._settings = settings
        self.process = self._spawn()

    @property
    def child(self) -> int:
        """The pid of its litestream, 0 for none."""
        try:
            return int((self.data / "litestream" / "child").read_text())
        except (OSError, ValueError):
            return 0

    def end(self, number: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(number)
        said = self.process.communicate(timeout=EXIT_TIMEOUT_S)[0]
        return self.process.returncode, said

    def close(self) -> None:
        """Leave nothing running."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=EXIT_TIMEOUT_S)

    def _spawn(self) -> subprocess.Popen[str]:
        settings = {"data": self.data, "replica_sync_s": 0.25, "replica_stop_s": 3} | self._settings
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PALAVER_")}
        return subprocess.Popen(
            palaver("replicate"),
            cwd=PROJECT,
            env=inherited | {f"PALAVER_{name.upper()}": str(value) for name, value in settings.items()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
