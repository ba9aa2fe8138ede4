"""A big database: first copy, backup, drill, restore, and a new machine that begins with an empty disk."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from benchmarks.job import BenchmarkFailed, Figures
from benchmarks.process import KIB, Server, free_port
from benchmarks.replication.place import S3, Place
from benchmarks.replication.proof import until_proven
from benchmarks.sides.palaver import command, environment, seats_of
from ops.drilling.record import PASS, Drill
from tests.faults.fill import fill

CONVERSATIONS = 50
MESSAGES_PER_MIB = 5_500
COMMAND_TIMEOUT_S = 600.0
MB = 1e6
GB = 1e9
MS_PER_S = 1e3


def build(folder: Path, mib: int) -> Path:
    """Make a data folder whose database has about `mib` MiB, and return it."""
    data, port = folder / "built", free_port()
    env = environment(data, port, {"REPLICA": "off"})
    with Server([*command(), "serve"], env, folder, port, "/readyz"):
        seats_of([[f"u{room}", f"v{room}"] for room in range(CONVERSATIONS)], env, port)
    fill(data / "main.db", mib * MESSAGES_PER_MIB)
    return data


def measure_volume(place: Place, data: Path, folder: Path) -> Figures:
    """Serve a built folder, with a drill and a backup where the place is S3; then restore it from there, twice."""
    port = free_port()
    env = environment(data, port, place.settings)
    began_s = time.monotonic()
    with Server([*command(), "serve"], env, folder, port, "/livez"):
        until_proven(env, port)
        copied_s = time.monotonic() - began_s
        upkept = _upkept(env, folder) if place.name == S3 else {}
    restore_s, _ = _run(env, "restore", "--latest", "--all", "--to", str(folder / "beside"), "--json")
    size = (data / "main.db").stat().st_size
    return {
        "size_mb": size / MB,
        "first_copy_s": copied_s,
        **upkept,
        "restore_s": restore_s,
        "restore_s_per_gb": restore_s / (size / GB),
        "empty_to_serving_s": _empty_to_serving(place, folder),
    }


def _empty_to_serving(place: Place, folder: Path) -> float:
    """Return the seconds from the start of a server without files until it takes messages."""
    machine, port = folder / "machine", free_port()
    machine.mkdir()
    env = environment(machine / "data", port, place.settings)
    began_s = time.monotonic()
    with Server([*command(), "serve", "--restore-if-missing"], env, machine, port, "/readyz"):
        return time.monotonic() - began_s


def _upkept(env: Mapping[str, str], folder: Path) -> Figures:
    """Drill and back up beside the server; a backup has nothing to do with the place, so once is enough."""
    backup_s, _ = _run(env, "backup", "--to", str(folder / "backups"))
    drill_s, printed = _run(env, "drill", "--json")
    return {"backup_s": backup_s, "drill_s": drill_s, **_drilled(printed)}


def _drilled(printed: bytes) -> Figures:
    drill = msgspec.json.decode(printed, type=Drill)
    if drill.outcome != PASS:
        raise BenchmarkFailed(f"the drill did not pass: {drill}")
    restored_ms = sum(part.restore_ms for part in drill.parts)
    checked_ms = sum(part.check_ms for part in drill.parts)
    return {
        "drill_fetch_s": restored_ms / MS_PER_S,
        "drill_check_s": checked_ms / MS_PER_S,
        "drill_rest_s": (drill.took_ms - restored_ms - checked_ms) / MS_PER_S,
    }


def _run(env: Mapping[str, str], *arguments: str) -> tuple[float, bytes]:
    """Run a command to its end, and return its seconds and what it printed."""
    began_s = time.monotonic()
    done = subprocess.run(
        [*command(), *arguments], env=dict(env), capture_output=True, timeout=COMMAND_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        said = (done.stderr + done.stdout)[-2 * KIB :].decode(errors="replace")
        raise BenchmarkFailed(f"palaver {' '.join(arguments)} exited with {done.returncode}:\n{said}")
    return time.monotonic() - began_s, done.stdout
