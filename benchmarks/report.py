"""The figures as tables: on a terminal by rich, in Markdown for the documentation."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.results import Results, Spread
from benchmarks.targets import TARGETS, Target

SIDES = {"palaver": "Palaver", "naive": "FastAPI + aiosqlite", "raw": "SQLite alone"}
NONE = "–"
# What others may take of a core before the figures are called disturbed.
REST_PERCENT_MAX = 20.0


class Line(msgspec.Struct, frozen=True):
    """One line of the table: a figure of a plan."""

    title: str
    plan: str
    figure: str


class Grid(msgspec.Struct, frozen=True):
    """A table without a look; the first column is text, the others are numbers."""

    header: list[str]
    rows: list[list[str]]


LINES = (
    Line("Server CPU per acked message, 50 senders, µs", "senders-50", "cpu_us_per_message"),
    Line("Server CPU per acked message, 500 senders, µs", "senders-500", "cpu_us_per_message"),
    Line("Server CPU per acked message, paced 1,000/s, µs", "paced", "cpu_us_per_message"),
    Line("Acked messages per second, 50 senders", "senders-50", "messages_per_s"),
    Line("Acked messages per second, 500 senders", "senders-500", "messages_per_s"),
    Line("Ack p50, one sender, ms", "one-sender", "ack_p50_ms"),
    Line("Ack p99, one sender, ms", "one-sender", "ack_p99_ms"),
    Line("Ack p50, paced 1,000/s, ms", "paced", "ack_p50_ms"),
    Line("Ack p99, paced 1,000/s, ms", "paced", "ack_p99_ms"),
    Line("Messages per second kept up, paced 1,000/s", "paced", "messages_per_s"),
    Line("Fan-out to 1,000: CPU per delivery, µs", "fan-out", "cpu_us_per_delivery"),
    Line("Fan-out to 1,000: deliveries per second", "fan-out", "deliveries_per_s"),
    Line("Fan-out to 1,000: until the last has it, p50, ms", "fan-out", "last_delivery_p50_ms"),
    Line("Memory per idle connection, KiB", "idle", "kib_per_connection"),
    Line("Memory before they come, MiB", "idle", "base_mib"),
)
LOADED = {
    "senders-50": "50 senders",
    "senders-500": "500 senders",
    "one-sender": "one sender",
    "paced": "paced 1,000/s",
    "fan-out": "fan-out to 1,000",
}


def show(results: Results, console: Console) -> None:
    """Print the tables and the place on a terminal."""
    tables(_grids(results), console)
    console.print(where(results), highlight=False)
    if warning := disturbance(results):
        console.print(warning, style="bold red", highlight=False)


def tables(grids: list[tuple[str, Grid]], console: Console) -> None:
    """Print tables with their titles on a terminal."""
    for title, grid in grids:
        table = Table(title=title, title_justify="left")
        for column, name in enumerate(grid.header):
            table.add_column(name, justify="left" if column == 0 else "right")
        for row in grid.rows:
            table.add_row(*row)
        console.print(table)


def markdown(results: Results) -> str:
    """Return the tables as they stand in the documentation."""
    parts = [text for text in (where(results), disturbance(results)) if text]
    for title, grid in _grids(results):
        parts.append(f"**{title}**\n\n{markdown_of(grid)}")
    return "\n\n".join(parts)


def _grids(results: Results) -> list[tuple[str, Grid]]:
    spread = f"median of {results.rounds} (lowest–highest)" if results.rounds > 1 else "one run"
    grids = [
        (f"Figures, {spread}", _figures(results)),
        ("Targets", _targets(results)),
        ("Load in the timed window, per cent of one core", _load(results)),
    ]
    return [(title, grid) for title, grid in grids if grid.rows]


def _figures(results: Results) -> Grid:
    rows = []
    for line in LINES:
        cells = [cell(results.spread(line.plan, side, line.figure), results.rounds) for side in SIDES]
        if any(cell != NONE for cell in cells):
            rows.append([line.title, *cells])
    return Grid(["", *SIDES.values()], rows)


def _targets(results: Results) -> Grid:
    return Grid(["", "to reach", "measured", "reached"], [target_row(results, target) for target in TARGETS])


def target_row(results: Results, target: Target) -> list[str]:
    """Return a line of the table of targets."""
    value = target.measured(results)
    wanted = f"{'≥' if target.at_least else '≤'} {target.limit:g} {target.unit}"
    if value is None:
        return [target.title, wanted, NONE, "not measured"]
    return [target.title, wanted, f"{_number(value)} {target.unit}", "yes" if target.reached(value) else "no"]


def _load(results: Results) -> Grid:
    rows = []
    for plan, title in LOADED.items():
        for side, name in SIDES.items():
            shares = [
                results.median(plan, side, f"{who}_cpu_percent") for who in ("server", "generator", "rest")
            ]
            if any(share is not None for share in shares):
                rows.append(
                    [f"{title}: {name}", *(NONE if share is None else f"{share:.0f}" for share in shares)]
                )
    return Grid(["", "server", "load generator", "rest of the machine"], rows)


def cell(spread: Spread | None, rounds: int) -> str:
    """Write a figure, with its range where there was more than one round."""
    if spread is None:
        return NONE
    if rounds == 1 or spread.low == spread.high:
        return _number(spread.median)
    return f"{_number(spread.median)} ({_number(spread.low)}–{_number(spread.high)})"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def where(results: Results) -> str:
    """Say where and how long was measured."""
    facts = ", ".join(f"{name} {value}" for name, value in results.environment.items())
    return f"Measured on {facts}; timed windows of {results.window_s:g} s."


def disturbance(results: Results) -> str:
    """Return a warning when the machine had other work, else nothing."""
    rest = max((reading.figures.get("rest_cpu_percent", 0.0) for reading in results.readings), default=0.0)
    if rest <= REST_PERCENT_MAX:
        return ""
    return f"The machine was not idle: others took up to {rest:.0f} % of a core. Measure again."


def markdown_of(grid: Grid) -> str:
    """Write a table in Markdown."""
    rule = ["---", *("---:" for _ in grid.header[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (grid.header, rule, *grid.rows))
