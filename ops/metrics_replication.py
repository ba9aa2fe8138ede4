"""What the metrics show of replication. With it off, nothing but that it is."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from chat.replication import STATES, ReplicationReport

HELD = "held"
MS_PER_S = 1000


def families(report: ReplicationReport) -> Iterator[Metric]:
    """Write a report down for Prometheus."""
    yield GaugeMetricFamily(
        "palaver_replication_on", "1 where files are to be replicated, else 0.", report.on
    )
    yield _states(report)
    yield _proven(report)
    yield GaugeMetricFamily(
        "palaver_replication_lease_held",
        "1 while the lease on the replica is ours.",
        report.lease.state == HELD,
    )
    yield GaugeMetricFamily("palaver_litestream_up", "1 while litestream runs.", report.litestream.running)
    yield CounterMetricFamily(
        "palaver_litestream_restarts", "Starts of litestream after the first.", report.litestream.restarts
    )
    yield CounterMetricFamily(
        "palaver_heartbeats", "Heartbeats that were seen to reach the replica.", report.heartbeats
    )
    yield CounterMetricFamily(
        "palaver_heartbeats_missed", "Heartbeats that were not, in time.", report.failures
    )
    yield GaugeMetricFamily(
        "palaver_wal_alarms",
        "WALs that are too large, and files that are read for too long.",
        len(report.parts),
    )


def _states(report: ReplicationReport) -> Metric:
    family = GaugeMetricFamily(
        "palaver_replication_state",
        "1 for the state that a file's copy is in, else 0.",
        labels=("file", "state"),
    )
    for replica in report.files:
        for state in STATES:
            family.add_metric((replica.file, state), replica.state == state)
    return family


def _proven(report: ReplicationReport) -> Metric:
    """Count from the start of its state for a file that nothing was proven of: it only gets older."""
    family = GaugeMetricFamily(
        "palaver_replication_proven_seconds",
        "Age of what is proven to be on the replica: commits younger than this may be lost with the machine.",
        labels=("file",),
    )
    now_ms = time.time_ns() // 1_000_000
    for replica in report.files:
        since_ms = replica.proven_ms or replica.since_ms
        family.add_metric((replica.file,), max(0, now_ms - since_ms) / MS_PER_S)
    return family
