"""`python -m benchmarks.replication`: measure what the safety net costs and how fast it is; print tables."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from benchmarks.environment import describe
from benchmarks.job import BenchmarkFailed, Figures
from benchmarks.plan import Pace
from benchmarks.process import raise_file_limit
from benchmarks.replication import report
from benchmarks.replication.daemon import measure_daemon
from benchmarks.replication.load import measure_ack, measure_cost
from benchmarks.replication.place import FOLDER, PLACES, S3, Place, standing
from benchmarks.replication.volume import build, measure_volume
from benchmarks.report import disturbance, tables
from benchmarks.results import Reading, Results

FILES_NEEDED = 2_000
console = Console(stderr=True)


class Group(StrEnum):
    """The words for --only."""

    COST = "cost"
    ACK = "ack"
    VOLUME = "volume"
    FILES = "files"


class Extent(msgspec.Struct, frozen=True):
    """How long and how much."""

    pace: Pace
    mib: int
    files: int
    idle_s: float


FULL = Extent(Pace(rounds=2, warm_up_s=1.0, window_s=4.0, idle_connections=0), 280, 200, 5.0)
QUICK = Extent(Pace(rounds=1, warm_up_s=0.3, window_s=1.5, idle_connections=0), 20, 50, 1.0)


def bench(
    quick: Annotated[
        bool, typer.Option(help="One short round, 20 MiB, 50 files: no result, a look.")
    ] = False,
    only: Annotated[list[Group] | None, typer.Option(help="Measure this group; repeatable.")] = None,
    folder: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Where databases and copies are written."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write every single run to this file.")] = None,
    source: Annotated[
        Path | None, typer.Option("--from", exists=True, help="Measure nothing, show such a file.")
    ] = None,
    markdown: Annotated[bool, typer.Option(help="Print the tables as Markdown.")] = False,
) -> None:
    """Measure replication and print tables; exit with 1 when a run was wrong. A missed target is no failure."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        results = (
            _load(source) if source else _measure_all(QUICK if quick else FULL, only or [*Group], folder)
        )
    except BenchmarkFailed as error:
        notes = getattr(error, "__notes__", ())
        console.print(f"failed: {error}", *notes, sep="\n", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    if markdown:
        print(report.markdown(results))
    else:
        tables(report.grids(results), Console())
        console.print(disturbance(results), style="bold red", highlight=False)


def _load(source: Path) -> Results:
    try:
        return msgspec.json.decode(source.read_bytes(), type=Results)
    except msgspec.DecodeError as error:
        raise BenchmarkFailed(f"{source} was not written by --json: {error}") from error


def _measure_all(extent: Extent, groups: list[Group], folder: Path | None) -> Results:
    """Let the places take turns, so that a slow minute of the machine meets them all."""
    raise_file_limit(FILES_NEEDED)
    pace = extent.pace
    environment = describe(folder or Path(tempfile.gettempdir()))
    results = Results(environment=environment, rounds=pace.rounds, window_s=pace.window_s)
    for number in range(1, pace.rounds + 1):
        for name in PLACES:
            if Group.COST in groups:
                _measure(results, "cost", name, number, folder, lambda *where: measure_cost(pace, *where))
            if Group.ACK in groups:
                _measure(results, "ack", name, number, folder, lambda *where: measure_ack(pace, *where))
    if Group.VOLUME in groups:
        _measure_volumes(results, extent, folder)
    if Group.FILES in groups:
        for plan, files in (("files-1", 1), ("files-many", extent.files)):
            act = _daemon(files, extent.idle_s)
            _measure(results, plan, S3, 1, folder, act)
    return results


def _daemon(files: int, idle_s: float) -> Callable[[Place, Path], Figures]:
    return lambda place, scratch: asyncio.run(measure_daemon(place, files, idle_s, scratch))


def _measure_volumes(results: Results, extent: Extent, folder: Path | None) -> None:
    with _scratch(folder) as shelf:
        built = build(shelf, extent.mib)

        def act(place: Place, scratch: Path) -> Figures:
            shutil.copytree(built, scratch / "data")
            return measure_volume(place, scratch / "data", scratch)

        for name in (FOLDER, S3):
            _measure(results, "volume", name, 1, folder, act)


def _measure(
    results: Results,
    plan: str,
    place: str,
    number: int,
    folder: Path | None,
    act: Callable[[Place, Path], Figures],
) -> None:
    with console.status(f"{plan}, {place}, round {number}"), _scratch(folder) as scratch:
        try:
            with standing(place, scratch) as there:
                figures = act(there, scratch)
        except BenchmarkFailed as error:
            error.add_note(f"(in {plan}, {place}, round {number})")
            raise
    shown = ", ".join(f"{figure} {value:,.4g}" for figure, value in figures.items())
    console.print(f"{plan} · {place} · {number}: {shown}", highlight=False, soft_wrap=True)
    results.readings.append(Reading(plan, place, number, figures))


@contextmanager
def _scratch(folder: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=folder) as scratch:
        yield Path(scratch)


if __name__ == "__main__":
    typer.run(bench)
