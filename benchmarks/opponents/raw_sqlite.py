"""SQLite alone, without network: what one row per commit takes, and what one thread stores in groups.

A process of its own, `python -m benchmarks.opponents.raw_sqlite FILE rows|group SENDERS WARM_UP_S WINDOW_S`,
which prints its figures as JSON.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sys
import threading
import time
import uuid
from pathlib import Path

import msgspec
import uvloop

from benchmarks.connection import CONTENT
from benchmarks.job import BenchmarkFailed, Figures
from benchmarks.process import Meter, Usage
from benchmarks.scenarios.figures import per_message
from storage.engine import sqlite3

BATCH_MAX = 512
# Integer keys and keys of 16 bytes: the cheapest schema that still stores every message once, and in order.
SCHEMA = """
CREATE TABLE messages (
    conversation INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    sender       INTEGER NOT NULL,
    key          BLOB    NOT NULL,
    content      TEXT    NOT NULL,
    UNIQUE (conversation, seq),
    UNIQUE (conversation, sender, key)
)
"""
INSERT = "INSERT INTO messages VALUES (?, ?, ?, ?, ?)"
CONVERSATION_MEMBERS = 10
Row = tuple[int, int, int, bytes, str]


class Log:
    """A database on disk and the seq of each conversation, used by one thread at a time."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._last_seq: dict[int, int] = {}
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", SCHEMA):
            self._database.execute(statement)

    def commit(self, senders: list[int]) -> None:
        """Store one message of each of `senders` in one durable transaction."""
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(INSERT, [self._row(sender) for sender in senders])
        self._database.execute("COMMIT")

    def check(self, acked: int) -> None:
        """Raise BenchmarkFailed unless exactly the acked rows are there, densely numbered."""
        query = "SELECT conversation, COUNT(*), MIN(seq), MAX(seq) FROM messages GROUP BY conversation"
        found = self._database.execute(query).fetchall()
        dense = all(first == 1 and last == count for _, count, first, last in found)
        if not dense or sum(count for _, count, _, _ in found) != acked:
            raise BenchmarkFailed(f"{acked} rows were acked, and other ones are stored")

    def _row(self, sender: int) -> Row:
        conversation = sender // CONVERSATION_MEMBERS
        self._last_seq[conversation] = self._last_seq.get(conversation, 0) + 1
        return conversation, self._last_seq[conversation], sender, uuid.uuid4().bytes, CONTENT


class GroupWriter:
    """One thread that commits whatever has gathered while it committed before."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[tuple[int, asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def append(self, sender: int) -> asyncio.Future[None]:
        """Queue a message; the future is done when it is durable."""
        acked: asyncio.Future[None] = self._loop.create_future()
        self._waiting.put((sender, acked))
        return acked

    def close(self) -> None:
        """Write what waits and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            while len(batch) < BATCH_MAX and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    self._waiting.put(None)
                    break
                batch.append(following)
            self._log.commit([sender for sender, _ in batch])
            self._loop.call_soon_threadsafe(_settle, [acked for _, acked in batch])


def _settle(batch: list[asyncio.Future[None]]) -> None:
    for acked in batch:
        acked.set_result(None)


def one_row(log: Log, warm_up_s: float, window_s: float) -> Figures:
    """Commit one row at a time; return how long a commit takes."""
    warm = _commits_s(log, warm_up_s)
    meter = Meter(os.getpid())
    latencies_s = _commits_s(log, window_s)
    usage = meter.usage()
    log.check(len(warm) + len(latencies_s))
    return _figures(latencies_s, usage)


def _commits_s(log: Log, duration_s: float) -> list[float]:
    until_s = time.perf_counter() + duration_s
    latencies_s = []
    while (start_s := time.perf_counter()) < until_s:
        log.commit([0])
        latencies_s.append(time.perf_counter() - start_s)
    return latencies_s


async def group(log: Log, senders: int, warm_up_s: float, window_s: float) -> Figures:
    """Let `senders` tasks append in a closed loop; return the latency of their acks and the CPU per row."""
    writer = GroupWriter(log)
    try:
        warm = await _appends_s(writer, senders, warm_up_s)
        meter = Meter(os.getpid())
        latencies_s = await _appends_s(writer, senders, window_s)
        usage = meter.usage()
    finally:
        writer.close()
    log.check(len(warm) + len(latencies_s))
    return _figures(latencies_s, usage)


async def _appends_s(writer: GroupWriter, senders: int, duration_s: float) -> list[float]:
    until_s = time.perf_counter() + duration_s
    latencies_s: list[float] = []

    async def send(sender: int) -> None:
        while (start_s := time.perf_counter()) < until_s:
            await writer.append(sender)
            latencies_s.append(time.perf_counter() - start_s)

    async with asyncio.TaskGroup() as tasks:
        for sender in range(senders):
            tasks.create_task(send(sender))
    return latencies_s


def _figures(latencies_s: list[float], usage: Usage) -> Figures:
    # Server and generator are one process here, which both marks have counted: it is named once.
    alone = msgspec.structs.replace(usage, generator_s=0.0)
    figures = per_message(alone, latencies_s)
    del figures["generator_cpu_percent"]
    return figures


def main() -> None:
    """Measure as the arguments say and print the figures."""
    file, way, senders, warm_up_s, window_s = sys.argv[1:]
    log = Log(Path(file))
    if way == "rows":
        figures = one_row(log, float(warm_up_s), float(window_s))
    else:
        figures = uvloop.run(group(log, int(senders), float(warm_up_s), float(window_s)))
    sys.stdout.buffer.write(msgspec.json.encode(figures))


if __name__ == "__main__":
    main()
