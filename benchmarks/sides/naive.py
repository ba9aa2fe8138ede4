"""The naive application under uvicorn with its defaults, as its author would start it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.job import HOST, Figures, Seat
from benchmarks.plan import Pace, Plan
from benchmarks.process import Server, free_port
from benchmarks.sides.serving import ROOT, rooms, run_load


class NaiveSide:
    """FastAPI and aiosqlite; nothing to prepare, since a conversation begins with its first visitor."""

    def takes(self, plan: Plan) -> bool:
        """Take part in everything."""
        return True

    def measure(self, plan: Plan, pace: Pace, folder: Path, profile: str) -> Figures:
        """Run a plan once."""
        port = free_port()
        app = ("benchmarks.opponents.naive:app", "--app-dir", str(ROOT), "--host", HOST, "--port", str(port))
        command = [sys.executable, "-m", "uvicorn", *app]
        seats = [Seat(user, "", f"c{room}") for room, users in enumerate(rooms(plan)) for user in users]
        with Server(command, os.environ, folder, port, "/readyz") as server:
            return run_load(plan, pace, server, "naive", seats, profile)
