"""The figures of replication as tables, beside what it promises itself to reach."""

from __future__ import annotations

from benchmarks.replication.place import FOLDER, OFF, PLACES, S3
from benchmarks.report import Grid, Line, cell, disturbance, markdown_of, target_row, where
from benchmarks.results import Results
from benchmarks.targets import Target, ratio

TITLES = {OFF: "off", FOLDER: "a folder", S3: "S3 on loopback"}
LINES = (
    Line("50 senders: server's CPU per acked message, µs", "cost", "cpu_us_per_message"),
    Line("50 senders: Litestream's CPU per message, µs", "cost", "litestream_us_per_message"),
    Line("50 senders: S3 server's CPU per message, µs", "cost", "store_us_per_message"),
    Line("50 senders: acked messages per second", "cost", "messages_per_s"),
    Line("50 senders: CPU of the rest of the machine, % of a core", "cost", "rest_cpu_percent"),
    Line("500/s, ack when replicated (off: committed): p50, ms", "ack", "ack_p50_ms"),
    Line("500/s, ack when replicated: p95, ms", "ack", "ack_p95_ms"),
    Line("500/s: one sync, mean, ms", "ack", "sync_mean_ms"),
    Line("500/s: server's CPU, % of a core", "ack", "server_cpu_percent"),
    Line("500/s: Litestream's CPU, % of a core", "ack", "litestream_cpu_percent"),
    Line("500/s: S3 server's CPU, % of a core", "ack", "store_cpu_percent"),
    Line("500/s: CPU of the rest of the machine, % of a core", "ack", "rest_cpu_percent"),
    Line("Database, MB", "volume", "size_mb"),
    Line("First copy proven after the start, s", "volume", "first_copy_s"),
    Line("Restore beside, checked in full, s", "volume", "restore_s"),
    Line("The same for a gigabyte, s", "volume", "restore_s_per_gb"),
    Line("From an empty disk to serving, s", "volume", "empty_to_serving_s"),
    Line("Drill (latest and past), s", "volume", "drill_s"),
    Line("of it: fetching, s", "volume", "drill_fetch_s"),
    Line("of it: integrity in full, s", "volume", "drill_check_s"),
    Line("of it: sync, plans, invariants and comparison, s", "volume", "drill_rest_s"),
    Line("Backup, s", "volume", "backup_s"),
    Line("Litestream's memory, 1 file, MiB", "files-1", "memory_mib"),
    Line("Litestream's memory, many files, MiB", "files-many", "memory_mib"),
    Line("Many files: until all are proven, s", "files-many", "all_proven_s"),
    Line("Many files, idle: Litestream's CPU, % of a core", "files-many", "idle_cpu_percent"),
)


def _throughput_percent(results: Results) -> float | None:
    found = ratio(results.median("cost", S3, "messages_per_s"), results.median("cost", OFF, "messages_per_s"))
    return None if found is None else 100 * (1 - found)


def _cpu_percent(results: Results) -> float | None:
    found = ratio(
        results.median("cost", S3, "cpu_us_per_message"), results.median("cost", OFF, "cpu_us_per_message")
    )
    return None if found is None else 100 * (found - 1)


TARGETS = (
    Target("Throughput that replication to S3 costs, 50 senders", "%", 5, False, _throughput_percent),
    Target("Server's CPU per message that it costs there", "%", 5, False, _cpu_percent),
    Target("Replicated ack p50, S3, 500/s", "ms", 15, False, lambda r: r.median("ack", S3, "ack_p50_ms")),
    Target("Replicated ack p95, S3, 500/s", "ms", 40, False, lambda r: r.median("ack", S3, "ack_p95_ms")),
    Target(
        "Restore with integrity in full, S3",
        "s/GB",
        60,
        False,
        lambda r: r.median("volume", S3, "restore_s_per_gb"),
    ),
    Target(
        "From an empty disk to serving, S3",
        "s",
        30,
        False,
        lambda r: r.median("volume", S3, "empty_to_serving_s"),
    ),
)


def grids(results: Results) -> list[tuple[str, Grid]]:
    """Return the tables with their titles."""
    spread = f"median of {results.rounds} (lowest–highest)" if results.rounds > 1 else "one run"
    return [(f"Replication, {spread}", _figures(results)), ("Targets of replication", _targets(results))]


def markdown(results: Results) -> str:
    """Return the tables as they stand in the documentation."""
    parts = [text for text in (where(results), disturbance(results)) if text]
    parts += [f"**{title}**\n\n{markdown_of(grid)}" for title, grid in grids(results)]
    return "\n\n".join(parts)


def _figures(results: Results) -> Grid:
    rows = []
    for line in LINES:
        spreads = [results.spread(line.plan, place, line.figure) for place in PLACES]
        if any(spreads):
            rows.append([line.title, *(cell(spread, results.rounds) for spread in spreads)])
    return Grid(["", *TITLES.values()], rows)


def _targets(results: Results) -> Grid:
    return Grid(["", "to reach", "measured", "reached"], [target_row(results, target) for target in TARGETS])
