"""`python -m benchmarks`: measure Palaver, a naive application and SQLite alone in turn; print tables."""

from __future__ import annotations

import signal
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from benchmarks import profiler, report
from benchmarks.environment import describe
from benchmarks.job import BenchmarkFailed
from benchmarks.plan import FULL, QUICK, Pace, Plan, plans
from benchmarks.process import raise_file_limit
from benchmarks.results import Reading, Results
from benchmarks.sides import SIDES

# What a process opens beside the sockets of the crowd.
FILES_SPARE = 500
console = Console(stderr=True)


class Group(StrEnum):
    """The words for --only."""

    MESSAGES = "messages"
    LATENCY = "latency"
    FAN_OUT = "fan_out"
    IDLE = "idle"


class SideName(StrEnum):
    """The words for --side."""

    PALAVER = "palaver"
    NAIVE = "naive"
    RAW = "raw"


def bench(
    quick: Annotated[
        bool, typer.Option(help="One short round, 500 idle sockets: no result, a look.")
    ] = False,
    only: Annotated[list[Group] | None, typer.Option(help="Measure this group; repeatable.")] = None,
    side: Annotated[list[SideName] | None, typer.Option(help="Measure this side; repeatable.")] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, max=20, help="How often each side is measured.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Where databases are written; a disk, since memory makes fsync free.",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write every single run to this file.")] = None,
    source: Annotated[
        Path | None, typer.Option("--from", exists=True, help="Measure nothing, show such a file.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option(help="Print the tables as Markdown, for the documentation.")
    ] = False,
    profile: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Then run once more under py-spy and write Palaver's profiles to this folder.",
        ),
    ] = None,
) -> None:
    """Measure and print tables; exit with 1 when a run was wrong. A missed target is a figure, no failure."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    pace = _pace(quick, rounds)
    chosen = [plan for plan in plans(pace) if only is None or Group(plan.group) in only]
    sides = [str(name) for name in side or SideName]
    try:
        if profile is not None:
            profiler.find()
        raise_file_limit(max(plan.sockets for plan in chosen) + FILES_SPARE)
        results = _load(source) if source else _measure_all(chosen, pace, sides, folder)
        if profile is not None:
            _profile_all(chosen, pace, profile, folder)
    except BenchmarkFailed as error:
        notes = getattr(error, "__notes__", ())
        console.print(f"failed: {error}", *notes, sep="\n", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    _print(results, markdown)


def _pace(quick: bool, rounds: int | None) -> Pace:
    pace = QUICK if quick else FULL
    return pace if rounds is None else msgspec.structs.replace(pace, rounds=rounds)


def _load(source: Path) -> Results:
    try:
        return msgspec.json.decode(source.read_bytes(), type=Results)
    except msgspec.DecodeError as error:
        raise BenchmarkFailed(f"{source} was not written by --json: {error}") from error


def _measure_all(chosen: list[Plan], pace: Pace, sides: list[str], folder: Path | None) -> Results:
    """Let the sides take turns, so that a slow minute of the machine meets them all."""
    environment = describe(folder or Path(tempfile.gettempdir()))
    results = Results(environment=environment, rounds=pace.rounds, window_s=pace.window_s)
    for plan in chosen:
        for number in range(1, pace.rounds + 1):
            for name in sides:
                if SIDES[name].takes(plan):
                    results.readings.append(_measure(plan, pace, name, number, folder))
    return results


def _measure(
    plan: Plan, pace: Pace, name: str, number: int, folder: Path | None, profile: str = ""
) -> Reading:
    with (
        console.status(f"{plan.name}, {name}, round {number}"),
        tempfile.TemporaryDirectory(prefix="benchmark-", dir=folder) as scratch,
    ):
        try:
            figures = SIDES[name].measure(plan, pace, Path(scratch), profile)
        except BenchmarkFailed as error:
            error.add_note(f"(in {plan.name}, {name}, round {number})")
            raise
    shown = ", ".join(f"{figure} {value:,.4g}" for figure, value in figures.items())
    console.print(f"{plan.name} · {name} · {number}: {shown}", highlight=False, soft_wrap=True)
    return Reading(plan.name, name, number, figures)


def _profile_all(chosen: list[Plan], pace: Pace, target: Path, folder: Path | None) -> None:
    """Run Palaver once more with py-spy at its side, which slows it: these figures count for nothing."""
    target.mkdir(parents=True, exist_ok=True)
    for plan in chosen:
        if plan.scenario == "idle":
            continue
        collapsed = target.resolve() / f"{plan.name}.collapsed"
        _measure(plan, pace, "palaver", 0, folder, str(collapsed))
        (target / f"{plan.name}.md").write_text(profiler.summary(collapsed))
    console.print(f"profiles: {target}/*.md; the stacks for a flame graph: *.collapsed", highlight=False)


def _print(results: Results, markdown: bool) -> None:
    if markdown:
        print(report.markdown(results))
    else:
        report.show(results, Console())


if __name__ == "__main__":
    typer.run(bench)
