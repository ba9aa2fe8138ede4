"""Metrics: counts what the chat tells of itself, and writes it down for Prometheus when asked.

The hot path adds to plain numbers in the event loop's thread; families and labels are made at a scrape. The
client library's own counters take a lock each time, which costs more than all that is counted here.
"""

from __future__ import annotations

import platform
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

import msgspec
from prometheus_client import Metric, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from chat.errors import CATALOGUE, DISCONNECTS
from chat.replication import DURABILITIES, ReplicationReport
from ops.metrics_replication import families as replication_families

SYNCS = {True: "proven", False: "failed"}
OUTCOMES = ("recovered", "reload", "too_many", "beyond_top")
SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
DRAFTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


class FileGauges(msgspec.Struct, frozen=True):
    """How one database file is right now; `generation` is the number of the one that writes.

    `swapped` tells that it began with a file that was not the one that was left, and lasts until the next start.
    """

    database_bytes: int
    wal_bytes: int
    writing: bool
    generation: int
    swapped: bool = False


class CopyGauges(msgspec.Struct, frozen=True):
    """What was seen of one file's copy last: whether the newest can be restored, and how many holes there are."""

    restorable: bool
    holes: int


class Gauges(msgspec.Struct, frozen=True):
    """How the server is right now; `files` by the name of the database file.

    `verified_restore_ms` and `failed_drill_ms` are when the last drill passed, and when one failed (UTC; 0: never).
    """

    connections: int
    subscriptions: int
    write_queue_depth: int
    files: Mapping[str, FileGauges]
    replication: ReplicationReport = ReplicationReport(on=False)
    verified_restore_ms: int = 0
    failed_drill_ms: int = 0
    copies: Mapping[str, CopyGauges] = {}


_PER_FILE: tuple[tuple[str, str, Callable[[FileGauges], float]], ...] = (
    ("palaver_database_bytes", "Size of a database file.", lambda file: file.database_bytes),
    ("palaver_wal_bytes", "Size of a database's write-ahead log.", lambda file: file.wal_bytes),
    ("palaver_writer_up", "1 while a database takes writes, else 0.", lambda file: file.writing),
    ("palaver_generation", "Number of the generation that writes a database.", lambda file: file.generation),
    (
        "palaver_timeline_swapped",
        "1 where a database was exchanged behind the server's back, until the next start, else 0.",
        lambda file: file.swapped,
    ),
)


class Histogram:
    """Counts values by the smallest of `bounds` (ascending) that they do not exceed."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def family(self, name: str, text: str) -> HistogramMetricFamily:
        """Write the counts down as Prometheus wants them, each with all that are smaller."""
        names = [*map(floatToGoString, self.bounds), "+Inf"]
        counts = accumulate(self.counts)
        return HistogramMetricFamily(name, text, list(zip(names, counts, strict=True)), self.total)


class Metrics:
    """An Observer that keeps count; every verb is for the event loop's thread alone."""

    def __init__(self, version: str, sqlite_version: str) -> None:
        self._build = {"version": version, "sqlite": sqlite_version, "python": platform.python_version()}
        self._batch = Histogram(DRAFTS)
        self._commit = Histogram(SECONDS)
        self._ack = Histogram(SECONDS)
        self._reader_wait = Histogram(SECONDS)
        self._reader_use = Histogram(SECONDS)
        self._sync = Histogram(SECONDS)
        self._held = Histogram(SECONDS)
        self._deliveries = 0
        # A series that is there from the start can be alarmed on: the first 1 is an increase from 0.
        self._syncs = dict.fromkeys(SYNCS.values(), 0)
        self._replicated = dict.fromkeys(DURABILITIES, 0)
        self._recoveries = dict.fromkeys(OUTCOMES, 0)
        self._disconnects = {disconnect.code: 0 for disconnect in DISCONNECTS}
        self._refusals = {problem.name: 0 for problem in CATALOGUE}

    def committed(self, batch_size: int, commit_s: float) -> None:
        """Count a batch of `batch_size` drafts that took `commit_s` seconds to become durable."""
        self._batch.observe(batch_size)
        self._commit.observe(commit_s)

    def acked(self, wait_s: float) -> None:
        """Count a draft that was answered `wait_s` seconds after it came in."""
        self._ack.observe(wait_s)

    def delivered(self, count: int) -> None:
        """Count an event that was handed to `count` outboxes."""
        self._deliveries += count

    def recovered(self, outcome: str) -> None:
        """Count a recovery by how it ended."""
        self._recoveries[outcome] = self._recoveries.get(outcome, 0) + 1

    def disconnected(self, code: int) -> None:
        """Count a connection that the server closed with `code`."""
        self._disconnects[code] = self._disconnects.get(code, 0) + 1

    def refused(self, name: str) -> None:
        """Count a command that was answered with the catalogue's error `name`."""
        self._refusals[name] = self._refusals.get(name, 0) + 1

    def read(self, wait_s: float, use_s: float) -> None:
        """Count a reading connection that was waited for and used so long."""
        self._reader_wait.observe(wait_s)
        self._reader_use.observe(use_s)

    def synced(self, sync_s: float, proven: bool) -> None:
        """Count a sync with the replica that took `sync_s` seconds, by whether it proved anything."""
        self._sync.observe(sync_s)
        self._syncs[SYNCS[proven]] += 1

    def held(self, wait_s: float, durability: str) -> None:
        """Count an ack that waited `wait_s` seconds for the replica, by what it could say at last."""
        self._held.observe(wait_s)
        self._replicated[durability] += 1

    def exposition(self, accept: str, gauges: Gauges) -> tuple[str, bytes]:
        """Write everything down and return content type and text; OpenMetrics where `accept` names it."""
        scrape = _Scrape([*self._counted(), *_state(gauges), *self._process()])
        if "application/openmetrics-text" in accept:
            return openmetrics.CONTENT_TYPE_LATEST, openmetrics.generate_latest(scrape)  # type: ignore[no-untyped-call]
        return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(scrape)

    def _counted(self) -> Iterator[Metric]:
        yield self._batch.family("palaver_write_batch_drafts", "Drafts written in one transaction.")
        yield self._commit.family("palaver_commit_seconds", "Time that a batch took to become durable.")
        yield self._ack.family("palaver_ack_seconds", "Time from a draft's arrival to its answer.")
        yield self._sync.family("palaver_sync_seconds", "Time that a sync with the replica took.")
        yield self._held.family(
            "palaver_replicated_ack_seconds",
            "Time from a commit to the ack of a sender who waits for the replica.",
        )
        yield self._reader_wait.family("palaver_reader_wait_seconds", "Wait for a free reading connection.")
        yield self._reader_use.family(
            "palaver_reader_use_seconds", "Time that a reading connection was in use."
        )
        yield CounterMetricFamily(
            "palaver_deliveries", "Events handed to the outbox of a socket.", self._deliveries
        )
        yield _counter("palaver_syncs", "Syncs with the replica.", ("outcome",), _labelled(self._syncs))
        yield _counter(
            "palaver_replicated_acks",
            "Acks of senders who asked for replicated, by what they were told.",
            ("durability",),
            _labelled(self._replicated),
        )
        yield _counter(
            "palaver_recoveries", "Recoveries by outcome.", ("outcome",), _labelled(self._recoveries)
        )
        yield _counter(
            "palaver_disconnects", "Connections that the server closed.", ("code", "reason"), self._by_code()
        )
        yield _counter(
            "palaver_refusals", "Commands answered with an error.", ("name",), _labelled(self._refusals)
        )

    def _by_code(self) -> dict[tuple[str, ...], int]:
        reasons = {disconnect.code: disconnect.reason for disconnect in DISCONNECTS}
        return {(str(code), reasons.get(code, "")): count for code, count in self._disconnects.items()}

    def _process(self) -> Iterator[Metric]:
        labels = tuple(self._build)
        build = GaugeMetricFamily("palaver_build_info", "Always 1; the labels say what runs.", labels=labels)
        build.add_metric(tuple(self._build.values()), 1)
        yield build
        yield from ProcessCollector(registry=None).collect()


class _Scrape(Collector):
    """The families of one moment, in the form that the client library writes down."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families


def _state(gauges: Gauges) -> Iterator[Metric]:
    yield GaugeMetricFamily("palaver_connections", "Sockets that are connected.", gauges.connections)
    yield GaugeMetricFamily("palaver_subscriptions", "Subscriptions of all sockets.", gauges.subscriptions)
    yield GaugeMetricFamily(
        "palaver_write_queue_depth", "Drafts that wait to be written.", gauges.write_queue_depth
    )
    for name, text, value in _PER_FILE:
        family = GaugeMetricFamily(name, text, labels=("file",))
        for file, state in gauges.files.items():
            family.add_metric((file,), value(state))
        yield family
    yield from replication_families(gauges.replication)
    yield from _copies(gauges.copies)
    yield GaugeMetricFamily(
        "palaver_last_verified_restore_timestamp_seconds",
        "When the last drill that passed began; 0 where none ever did.",
        gauges.verified_restore_ms / 1000,
    )
    yield GaugeMetricFamily(
        "palaver_last_failed_drill_timestamp_seconds",
        "When the last drill that failed began; 0 where none ever did.",
        gauges.failed_drill_ms / 1000,
    )


def _copies(copies: Mapping[str, CopyGauges]) -> Iterator[Metric]:
    restorable = GaugeMetricFamily(
        "palaver_replica_restorable",
        "1 where a restore of the newest copy has all its pieces, as of the last look, else 0.",
        labels=("file",),
    )
    holes = GaugeMetricFamily(
        "palaver_replica_holes",
        "Times that cannot be restored to, since pieces are missing on the replica, as of the last look.",
        labels=("file",),
    )
    for file, copy in copies.items():
        restorable.add_metric((file,), copy.restorable)
        holes.add_metric((file,), copy.holes)
    yield restorable
    yield holes


def _labelled(counts: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    return {(value,): count for value, count in counts.items()}


def _counter(
    name: str, text: str, labels: tuple[str, ...], counts: Mapping[tuple[str, ...], int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family
