"""`palaver snapshots`: which moments of each database can be restored, since when that is promised, and their size."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from ops.console import console
from ops.owned_settings import owned_settings
from ops.restore_listing import listed_place_of
from ops.restoring import moment, report
from ops.restoring.litestream import ASK_TIMEOUT_S
from ops.restoring.place import MAIN, file_name, known_files, unlisted
from ops.restoring.refusal import Refused
from ops.restoring.windows import Window, window
from ops.svg import Series, plot

EXIT_REFUSED = 1
COLUMNS = 60
DATE_COLUMNS = len("2026-11-22")
LEVELS = " ▁▂▃▄▅▆▇█"
WHOLE, HOLE = "◆", "✗"


def snapshots(
    file: Annotated[
        list[str] | None, typer.Option("--file", help="One database, as main; several times. Else all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw the timeline into this file, too.")] = None,
    time_limit: Annotated[
        float, typer.Option("--time-limit", help="Seconds for each answer of the replica.", min=1)
    ] = ASK_TIMEOUT_S,
) -> None:
    """Tell which moments can be restored; exit 1 where the replica cannot be read or holds nothing."""
    place = listed_place_of(owned_settings())
    try:
        target = place.target
        names = [file_name(each) for each in file or ()] or known_files(place) or [MAIN]
        looked = {name: window(place, name, time_limit) for name in names}
    except Refused as refused:
        print(f"palaver snapshots: {refused}", file=sys.stderr)
        raise typer.Exit(refused.exit_code) from refused
    found = [each for each in looked.values() if each is not None]
    if as_json:
        print(json.dumps({"target": target, "files": [asdict(each) for each in found]}))
    else:
        _show(target, found)
    if svg is not None:
        _draw(svg, found)
    if not file and unlisted(place):
        print(f"palaver snapshots: {unlisted(place)}", file=sys.stderr)
    missing = [name for name, each in looked.items() if each is None]
    if missing:
        print(f"palaver snapshots: no copies of {', '.join(missing)} in {target}", file=sys.stderr)
        raise typer.Exit(EXIT_REFUSED)


def timeline(found: Sequence[Window]) -> str:
    """Draw the moments of each file as SVG: points by count in their stretch of time, whole copies as upright lines."""
    rows = [
        Series(
            name=each.file,
            points=[(at, float(count)) for at, count in _counted(each)],
            style="bars",
            unit="moments",
            marks=each.snapshots,
            spans=[(hole.after_ms, hole.until_ms) for hole in each.holes],
        )
        for each in found
    ]
    return plot("What can be restored (UTC)", rows)


def _draw(svg: Path, found: Sequence[Window]) -> None:
    try:
        svg.write_text(timeline(found), encoding="utf-8")
    except OSError as error:
        print(f"palaver snapshots: {svg} cannot be written: {error.strerror}", file=sys.stderr)
        raise typer.Exit(EXIT_REFUSED) from error


def _show(target: str, found: Sequence[Window]) -> None:
    out = console()
    out.print(f"Copies in {target}", soft_wrap=True, markup=False)
    if not found:
        return
    table = Table(Column("file", overflow="fold"))
    for title in ("oldest (UTC)", "newest", "promised since"):
        table.add_column(title, min_width=DATE_COLUMNS)
    for title in ("whole copies", "moments", "size"):
        table.add_column(title)
    for each in found:
        table.add_row(
            each.file,
            moment.shown(each.oldest_ms).removesuffix(" UTC"),
            moment.shown(each.newest_ms).removesuffix(" UTC"),
            moment.shown(each.guaranteed_ms).removesuffix(" UTC"),
            str(len(each.snapshots)),
            str(len(each.moments)),
            report.size(each.size_bytes),
        )
    out.print(table)
    for each in found:
        out.print(f"{each.file:20} {_bar(each)}", soft_wrap=True, markup=False)
        for hole in each.holes:
            out.print(
                f"{each.file}: copies are missing between {moment.shown(hole.after_ms)} and "
                f"{moment.shown(hole.until_ms)} (transactions {hole.first:x} to {hole.last:x})",
                style="bold red",
            )
    out.print(f"{WHOLE} a whole copy, {HOLE} copies missing, bars: how many moments", markup=False)


def _bar(each: Window) -> str:
    """Draw the moments of a file in one line of the terminal."""
    counts = [count for _, count in _counted(each)]
    high = max(counts)
    signs = [LEVELS[-(-count * (len(LEVELS) - 1) // high)] for count in counts]
    for hole in each.holes:
        signs[_column(each, hole.until_ms)] = HOLE
    for at in each.snapshots:
        signs[_column(each, at)] = WHOLE
    return "".join(signs)


def _counted(each: Window) -> list[tuple[int, int]]:
    """Count the moments in stretches of equal length, each by its beginning."""
    counts = [0] * COLUMNS
    for at in each.moments:
        counts[_column(each, at)] += 1
    step = max(1, each.newest_ms - each.oldest_ms) / COLUMNS
    return [(each.oldest_ms + round(step * number), count) for number, count in enumerate(counts)]


def _column(each: Window, at_ms: int) -> int:
    length = max(1, each.newest_ms - each.oldest_ms)
    return min(COLUMNS - 1, max(0, (at_ms - each.oldest_ms) * COLUMNS // length))
