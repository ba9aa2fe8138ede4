"""SQLite without any server: what the disk and the database alone allow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from benchmarks.job import BenchmarkFailed, Figures
from benchmarks.plan import Pace, Plan
from benchmarks.sides.serving import LOAD_TIMEOUT_S, ROOT


class RawSide:
    """One process that writes rows and serves nobody."""

    def takes(self, plan: Plan) -> bool:
        """Take part where the plan says how."""
        return bool(plan.raw)

    def measure(self, plan: Plan, pace: Pace, folder: Path, profile: str) -> Figures:
        """Run a plan's rows once."""
        arguments = (folder / "raw.db", plan.raw, plan.senders, plan.warm_up_s(pace), pace.window_s)
        command = [sys.executable, "-m", "benchmarks.opponents.raw_sqlite", *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=LOAD_TIMEOUT_S, check=False)
        if done.returncode != 0:
            raise BenchmarkFailed(f"raw SQLite broke with {done.returncode}; its traceback is above")
        return msgspec.json.decode(done.stdout, type=Figures)
