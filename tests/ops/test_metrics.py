from __future__ import annotations

import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from chat.errors import CATALOGUE, DISCONNECTS, SLOW
from chat.observer import Observer
from ops.metrics import DRAFTS, OUTCOMES, SECONDS, CopyGauges, FileGauges, Gauges, Histogram, Metrics

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
# What Prometheus 3 sends.
PROMETHEUS = f"{OPEN_METRICS};escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
GAUGES = Gauges(
    connections=3,
    subscriptions=7,
    write_queue_depth=11,
    files={
        "main.db": FileGauges(database_bytes=4096, wal_bytes=8192, writing=True, generation=5, swapped=True)
    },
    copies={"main.db": CopyGauges(restorable=False, holes=2)},
)
OBSERVATIONS = 2_000
OBSERVATION_S_MAX = 20e-6

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3", "3.53.4")


def scraped(metrics: Metrics, gauges: Gauges = GAUGES) -> Samples:
    _, text = metrics.exposition("", gauges)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(text.decode())
        for sample in family.samples
    }


def value(metrics: Metrics, sample: str, /, **labels: str) -> float:
    return scraped(metrics)[sample, frozenset(labels.items())]


def test_metrics_can_be_given_wherever_an_observer_is_wanted(metrics: Metrics) -> None:
    observer: Observer = metrics
    observer.delivered(1)

    assert value(metrics, "palaver_deliveries_total") == 1


def test_a_batch_is_counted_by_its_size_and_its_time(metrics: Metrics) -> None:
    metrics.committed(3, 0.0004)
    metrics.committed(200, 0.006)

    assert value(metrics, "palaver_write_batch_drafts_count") == 2
    assert value(metrics, "palaver_write_batch_drafts_sum") == 203
    assert value(metrics, "palaver_write_batch_drafts_bucket", le="4.0") == 1
    assert value(metrics, "palaver_commit_seconds_bucket", le="0.0005") == 1
    assert value(metrics, "palaver_commit_seconds_bucket", le="0.01") == 2
    assert value(metrics, "palaver_commit_seconds_sum") == pytest.approx(0.0064)


def test_a_copy_that_lost_pieces_is_shown(metrics: Metrics) -> None:
    assert value(metrics, "palaver_replica_restorable", file="main.db") == 0
    assert value(metrics, "palaver_replica_holes", file="main.db") == 2


def test_an_ack_is_counted_by_its_time(metrics: Metrics) -> None:
    metrics.acked(0.3)

    assert value(metrics, "palaver_ack_seconds_bucket", le="0.25") == 0
    assert value(metrics, "palaver_ack_seconds_bucket", le="0.5") == 1


def test_a_sync_is_counted_by_its_time_and_by_what_it_proved(metrics: Metrics) -> None:
    assert value(metrics, "palaver_syncs_total", outcome="failed") == 0
    metrics.synced(0.004, True)
    metrics.synced(2.0, False)

    assert value(metrics, "palaver_sync_seconds_bucket", le="0.005") == 1
    assert value(metrics, "palaver_sync_seconds_count") == 2
    assert value(metrics, "palaver_syncs_total", outcome="proven") == 1
    assert value(metrics, "palaver_syncs_total", outcome="failed") == 1


def test_an_ack_that_waited_for_the_replica_is_counted_by_what_it_says(metrics: Metrics) -> None:
    assert value(metrics, "palaver_replicated_acks_total", durability="committed") == 0
    metrics.held(0.004, "replicated")
    metrics.held(5.0, "committed")

    assert value(metrics, "palaver_replicated_ack_seconds_bucket", le="0.005") == 1
    assert value(metrics, "palaver_replicated_acks_total", durability="replicated") == 1
    assert value(metrics, "palaver_replicated_acks_total", durability="committed") == 1


def test_a_read_is_counted_by_its_wait_and_its_use(metrics: Metrics) -> None:
    metrics.read(0.00005, 0.002)

    assert value(metrics, "palaver_reader_wait_seconds_bucket", le="0.0001") == 1
    assert value(metrics, "palaver_reader_use_seconds_bucket", le="0.001") == 0
    assert value(metrics, "palaver_reader_use_seconds_bucket", le="0.0025") == 1


def test_deliveries_add_up(metrics: Metrics) -> None:
    metrics.delivered(10)
    metrics.delivered(5)

    assert value(metrics, "palaver_deliveries_total") == 15


def test_recoveries_are_counted_by_their_outcome(metrics: Metrics) -> None:
    metrics.recovered("recovered")
    metrics.recovered("beyond_top")
    metrics.recovered("beyond_top")

    assert value(metrics, "palaver_recoveries_total", outcome="recovered") == 1
    assert value(metrics, "palaver_recoveries_total", outcome="beyond_top") == 2


def test_slow_disconnects_can_be_told_from_others(metrics: Metrics) -> None:
    metrics.disconnected(SLOW.code)

    assert value(metrics, "palaver_disconnects_total", code="3008", reason="slow") == 1
    assert value(metrics, "palaver_disconnects_total", code="3001", reason="shutdown") == 0


def test_refusals_are_counted_by_their_name(metrics: Metrics) -> None:
    metrics.refused("too_many_requests")

    assert value(metrics, "palaver_refusals_total", name="too_many_requests") == 1


def test_what_has_not_happened_yet_stands_at_zero_so_that_it_can_be_alarmed_on(metrics: Metrics) -> None:
    found = scraped(metrics)

    for outcome in OUTCOMES:
        assert found["palaver_recoveries_total", frozenset({("outcome", outcome)})] == 0
    for problem in CATALOGUE:
        assert found["palaver_refusals_total", frozenset({("name", problem.name)})] == 0
    assert len([name for name, _ in found if name == "palaver_disconnects_total"]) == len(DISCONNECTS)


def test_a_word_that_was_not_foreseen_is_counted_too(metrics: Metrics) -> None:
    metrics.recovered("otherwise")
    metrics.refused("unheard_of")
    metrics.disconnected(4999)

    assert value(metrics, "palaver_recoveries_total", outcome="otherwise") == 1
    assert value(metrics, "palaver_refusals_total", name="unheard_of") == 1
    assert value(metrics, "palaver_disconnects_total", code="4999", reason="") == 1


def test_the_state_of_the_moment_is_told(metrics: Metrics) -> None:
    assert value(metrics, "palaver_connections") == 3
    assert value(metrics, "palaver_subscriptions") == 7
    assert value(metrics, "palaver_write_queue_depth") == 11


def test_each_file_tells_its_sizes_its_writer_and_its_generation(metrics: Metrics) -> None:
    assert value(metrics, "palaver_database_bytes", file="main.db") == 4096
    assert value(metrics, "palaver_wal_bytes", file="main.db") == 8192
    assert value(metrics, "palaver_writer_up", file="main.db") == 1
    assert value(metrics, "palaver_generation", file="main.db") == 5
    assert value(metrics, "palaver_timeline_swapped", file="main.db") == 1


def test_the_build_is_told_in_labels(metrics: Metrics) -> None:
    builds = [dict(labels) for name, labels in scraped(metrics) if name == "palaver_build_info"]

    assert [(build["version"], build["sqlite"]) for build in builds] == [("1.2.3", "3.53.4")]


def test_the_process_tells_its_memory_and_its_files(metrics: Metrics) -> None:
    found = {name for name, _ in scraped(metrics)}

    assert {"process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"} <= found


def test_prometheus_gets_open_metrics_and_others_plain_text(metrics: Metrics) -> None:
    open_type, open_text = metrics.exposition(PROMETHEUS, GAUGES)
    plain_type, plain_text = metrics.exposition("*/*", GAUGES)

    assert open_type.startswith("application/openmetrics-text; version=1.0.0")
    assert open_text.endswith(b"# EOF\n")
    assert plain_type.startswith("text/plain; version=0.0.4")
    assert b"# EOF" not in plain_text


def test_a_strict_reader_of_open_metrics_takes_every_family(metrics: Metrics) -> None:
    metrics.committed(4, 0.001)
    _, text = metrics.exposition(OPEN_METRICS, GAUGES)

    read = open_families(text.decode())  # type: ignore[no-untyped-call]

    assert "palaver_commit_seconds" in {family.name for family in read}


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=x", "\x00", "," * 5000])
def test_no_accept_header_breaks_the_exposition(metrics: Metrics, accept: str) -> None:
    assert metrics.exposition(accept, GAUGES)[1]


@pytest.mark.parametrize("bounds", [SECONDS, DRAFTS])
def test_bounds_ascend(bounds: tuple[float, ...]) -> None:
    assert list(bounds) == sorted(set(bounds))


def test_a_value_on_a_bound_belongs_below_it_and_one_beyond_all_is_not_lost() -> None:
    histogram = Histogram((1.0, 2.0))
    for number in (0.5, 1.0, 1.5, 2.0, 99.0):
        histogram.observe(number)

    assert histogram.counts == [2, 2, 1]
    assert histogram.total == 104.0


def test_an_observation_costs_microseconds_at_the_most(metrics: Metrics) -> None:
    # Far above what it costs (under a microsecond), far below what a lock or a line of log would.
    started_s = time.process_time()
    for _ in range(OBSERVATIONS):
        metrics.acked(0.003)
        metrics.delivered(10)

    assert (time.process_time() - started_s) / OBSERVATIONS < OBSERVATION_S_MAX
