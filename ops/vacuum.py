"""`palaver vacuum`: gives the space of what was deleted back to the disk."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from chat.settings import Settings
from ops.examining import place
from ops.owned_settings import owned_settings
from ops.restoring import disk
from storage.lock import AlreadyServed

if TYPE_CHECKING:
    from storage.space import Progress, Space

EXIT_FAILED = 1
# A full vacuum writes a copy, and then all of it through the write-ahead log.
ROOM_FACTOR = 2


class Vacuumed(msgspec.Struct, frozen=True):
    """What was done to one file: its size before and after, and what is still free in it, in bytes."""

    file: str
    before_bytes: int
    after_bytes: int
    free_bytes: int


def vacuum(
    full: Annotated[
        bool, typer.Option("--full", help="Write every file anew, without gaps; the server must be stopped.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Cut free pages off the end of every database; without --full in small steps, beside a running server.

    Free pages are used again by what is written next, so this is worth it after much was deleted.
    """
    from storage.space import SpaceFailed  # here, so that the other commands start without the database

    settings = owned_settings()
    files = place.databases(Path(settings.data).absolute())
    if not files:
        _fail(f"there is no database in {settings.data}; set PALAVER_DATA to the server's folder")
    try:
        done = [_vacuum(file, settings, full=full, quiet=as_json) for file in files]
    except (SpaceFailed, AlreadyServed, OSError) as error:
        _fail(disk.explained(error, files[0].parent))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(done)))
    else:
        _print_table(done)


def _vacuum(file: Path, settings: Settings, *, full: bool, quiet: bool) -> Vacuumed:
    from ops.backup_table import copying
    from storage.space import give_back, rewrite, space_of

    before = space_of(file)
    if full:
        _check_room(file, before)
    with copying(quiet=quiet) as progress:
        act: Progress = progress
        (rewrite if full else give_back)(file, settings, act)
    after = space_of(file)
    return Vacuumed(file.name, before.size_bytes, after.size_bytes, after.free_bytes)


def _check_room(file: Path, space: Space) -> None:
    needed = (space.size_bytes - space.free_bytes) * ROOM_FACTOR
    free = shutil.disk_usage(file.parent).free
    if free < needed:
        _fail(
            f"{file.parent} has {free // 2**20} MiB free, and {needed // 2**20} are needed for {file.name}. Make room, "
            "or leave --full away"
        )


def _print_table(done: list[Vacuumed]) -> None:
    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table

    table = Table("file", "before", "after", "still free")
    for each in done:
        table.add_row(
            each.file, decimal(each.before_bytes), decimal(each.after_bytes), decimal(each.free_bytes)
        )
    Console().print(table)


def _fail(reason: str) -> None:
    print(f"palaver vacuum: {reason}", file=sys.stderr)
    raise typer.Exit(EXIT_FAILED)
