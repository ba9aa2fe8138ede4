"""`palaver drill`: proves that the databases can be restored, and keeps a history of the proofs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from chat.settings import Settings
from ops.owned_settings import owned_settings

if TYPE_CHECKING:
    from ops.drilling.record import Drill

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 75
"""EX_TEMPFAIL of sysexits.h: nothing was proven, try again later."""

LOCK = "drill"
EXIT_ENDED = 128 + signal.SIGTERM
GENTLE_NICENESS = 10


def drill(
    history: Annotated[bool, typer.Option("--history", help="Show the drills so far; run none.")] = False,
    report: Annotated[
        str, typer.Option(help="Draw lag, time and size of the last 90 drills into this SVG file; run none.")
    ] = "",
    gently: Annotated[
        bool, typer.Option("--gently", help="Leave the processor to others, as the server's own drills do.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Restore every database beside the live one, now and as it was ten minutes ago, and check all that can be checked.

    Nothing that is served is touched. On a replica younger than ten minutes the oldest moment is taken.
    """
    if history and report:
        _fail("choose one of --history and --report", EXIT_USAGE)
    from ops.drilling.record import History  # here, so that the other commands start without SQLite

    settings = owned_settings()
    kept = History(Path(settings.data).absolute())
    if history:
        _show_history(kept.drills(), as_json)
    elif report:
        _draw(kept.drills(), Path(report))
    else:
        if gently:
            os.nice(GENTLE_NICENESS)
        _run(settings, kept, as_json)


def _run(settings: Settings, kept: object, as_json: bool) -> None:
    from ops.drill_table import show, working
    from ops.drilling.drill import drill as run
    from ops.drilling.record import FAIL, INCONCLUSIVE, History
    from ops.restore_place import place_of
    from ops.restoring import disk
    from ops.restoring.scratch import held

    assert isinstance(kept, History)
    if not kept.file.parent.is_dir():
        _fail(f"there is no data folder {settings.data}; set PALAVER_DATA to the server's", EXIT_USAGE)
    try:
        with _ended_in_order(), held(place_of(settings).restores / LOCK), working(quiet=as_json) as told:
            found = run(settings, told)
            kept.add(found)
    except BlockingIOError:
        _fail("another drill of this data folder is running; wait for its end", EXIT_INCONCLUSIVE)
    except OSError as error:
        _fail(disk.explained(error, kept.file.parent), EXIT_INCONCLUSIVE)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        show(found)
    code = {FAIL: EXIT_FAILED, INCONCLUSIVE: EXIT_INCONCLUSIVE}.get(found.outcome, 0)
    if code:
        raise typer.Exit(code)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Clean up after SIGTERM too: Python would be gone at once, and leave its copies and a litestream at work."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_ENDED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show_history(drills: list[Drill], as_json: bool) -> None:
    from ops.drill_table import show_history

    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(drills)))
    else:
        show_history(drills)


def _draw(drills: list[Drill], file: Path) -> None:
    from ops.drilling.report import DRILLS_SHOWN, draw

    if not drills:
        _fail("there was no drill yet; `palaver drill` makes the first", EXIT_FAILED)
    try:
        file.write_text(draw(drills[-DRILLS_SHOWN:]), encoding="utf-8")
    except OSError as error:
        _fail(f"{file} cannot be written: {error.strerror}", EXIT_FAILED)
    typer.echo(f"{file} shows {len(drills[-DRILLS_SHOWN:])} drills")


def _fail(reason: str, code: int) -> None:
    print(f"palaver drill: {reason}", file=sys.stderr)
    raise typer.Exit(code)
