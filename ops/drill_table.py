"""Draws drills for a person at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from ops.console import console
from ops.drilling.record import Drill, Part

OUTCOME_STYLES = {"pass": "green", "inconclusive": "yellow", "fail": "bold red"}
DO = {
    "pass": "",
    "inconclusive": "Nothing is proven: mend what is named above, and run `palaver drill` again.",
    "fail": "What is on the replica cannot be trusted. Make a `palaver backup` now; then see docs/how-to/recover.md.",
}


@contextmanager
def working(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show on standard error what is being done, where that is a terminal."""
    terminal = Console(stderr=True)
    if quiet or not terminal.is_terminal:
        yield lambda _text: None
        return
    with terminal.status("drilling") as status:
        yield lambda text: status.update(text)


def show(drill: Drill) -> None:
    """Print what a drill found, and what to do."""
    out = console()
    table = Table("file", "moment", "outcome", "size", "restored in", "checked in", "events")
    for column in table.columns:
        column.no_wrap = True
    for part in drill.parts:
        table.add_row(
            part.file,
            "latest" if not part.at_ms else _moment(part.at_ms).replace(" ", "\n"),
            _outcome(part.outcome),
            decimal(part.size_bytes),
            f"{part.restore_ms / 1000:.1f} s",
            f"{part.check_ms / 1000:.1f} s",
            str(part.events),
        )
    if drill.parts:
        out.print(table)
    for part in drill.parts:
        # Not in the table, where a narrow terminal leaves no room for what matters most.
        if part.reason:
            out.print(f"{part.file}: {part.reason}", soft_wrap=True, markup=False)
    lag = f", everything was on the replica after {drill.lag_ms} ms" if drill.lag_ms else ""
    out.print(
        f"{_outcome(drill.outcome)} in {drill.took_ms / 1000:.1f} s{lag}{_because(drill)}", soft_wrap=True
    )
    if DO[drill.outcome]:
        out.print(f"→ {DO[drill.outcome]}", soft_wrap=True)


def show_history(drills: Sequence[Drill]) -> None:
    """Print one line for each drill, oldest first."""
    out = console()
    table = Table("began", "outcome", "took", "lag", "restored in", "size", "")
    for drill in drills:
        table.add_row(
            _moment(drill.began_ms),
            _outcome(drill.outcome),
            f"{drill.took_ms / 1000:.1f} s",
            f"{drill.lag_ms} ms" if drill.lag_ms else "unknown",
            f"{drill.restore_ms / 1000:.1f} s",
            decimal(drill.size_bytes),
            escape(drill.reason or "; ".join(_wrong(part) for part in drill.parts if part.outcome != "pass")),
        )
    out.print(table if drills else "There was no drill yet. `palaver drill` makes the first.")


def _outcome(outcome: str) -> str:
    return f"[{OUTCOME_STYLES[outcome]}]{outcome}[/]"


def _because(drill: Drill) -> str:
    return f": {escape(drill.reason)}" if drill.reason else ""


def _wrong(part: Part) -> str:
    return f"{part.file} ({part.moment}): {part.reason}"


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
