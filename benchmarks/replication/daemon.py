"""Litestream's memory for one file and for many, and how long until all of them are proven to be copied."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path

from benchmarks.job import BenchmarkFailed, Figures
from benchmarks.process import KIB, Meter, rss_bytes
from benchmarks.replication.place import Place
from chat.settings import Settings
from ops.litestream import Litestream
from storage.engine import sqlite3

SYNC_TIMEOUT_S = 5.0
PROOF_TIMEOUT_S = 60.0
STEP_S = 0.05


async def measure_daemon(place: Place, files: int, idle_s: float, folder: Path) -> Figures:
    """Supervise `files` small databases; memory and CPU are read after all were proven, over `idle_s`."""
    data = folder / "data"
    data.mkdir()
    settings = Settings.from_environment(
        {f"PALAVER_{name}": value for name, value in {**place.settings, "DATA": str(data)}.items()}
    )
    paths = [_database(data / f"persona_{number}.db") for number in range(files)]
    litestream = Litestream(settings, lambda: paths)
    began_s = time.monotonic()
    running = asyncio.create_task(litestream.run())
    try:
        await asyncio.gather(*(_proven(litestream, path, began_s + PROOF_TIMEOUT_S) for path in paths))
        proven_s = time.monotonic() - began_s
        pid = litestream.status.pid
        meter = Meter(pid)
        await asyncio.sleep(idle_s)
        shares = meter.usage().shares()
        memory = rss_bytes(pid)
    finally:
        await litestream.stop()
        await running
    return {
        "all_proven_s": proven_s,
        "memory_mib": memory / KIB / KIB,
        "idle_cpu_percent": shares["server_cpu_percent"],
    }


async def _proven(litestream: Litestream, path: Path, until_s: float) -> None:
    while not (outcome := await litestream.sync(path, SYNC_TIMEOUT_S)).ok:
        if time.monotonic() > until_s:
            raise BenchmarkFailed(f"{path.name} was not proven in {PROOF_TIMEOUT_S:g} s: {outcome.reason}")
        await asyncio.sleep(STEP_S)


def _database(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE words (word TEXT)")
        connection.execute("INSERT INTO words VALUES ('one')")
    return path
