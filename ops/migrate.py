"""`palaver migrate`: brings the databases of the data folder to this program's schema, or tells where they stand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ops.doctor import StartRefused
from ops.owned_settings import owned_settings
from ops.restoring import disk
from storage.lock import AlreadyServed
from storage.migrate import MigrationRefused

if TYPE_CHECKING:
    from storage.upgrade import FileStatus

EXIT_FAILED = 1
EXIT_PENDING = 3


def migrate(
    status: Annotated[
        bool, typer.Option("--status", help="Change nothing; exit 3 if something is pending.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Apply what is pending to every database in PALAVER_DATA; makes main.db where none ever was."""
    from ops.restore_start import prepare
    from storage.upgrade import (  # here, so that the other commands start without the database
        statuses,
        upgrade,
    )

    settings = owned_settings()
    try:
        if not status:
            # As a server's start does: what a killed restore left is finished, and nothing begins anew unasked.
            prepare(settings, start_empty=False)
            upgrade(settings)
        found = statuses(Path(settings.data))
    except (StartRefused, MigrationRefused, AlreadyServed, OSError) as error:
        print(f"palaver migrate: {disk.explained(error, Path(settings.data).absolute())}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from error
    _print_json(found) if as_json else _print_table(found)
    if status and any(row.applied_ms is None for row in found):
        raise typer.Exit(EXIT_PENDING)


def _print_json(found: list[FileStatus]) -> None:
    rows: list[dict[str, Any]] = [
        {"file": row.file, "number": row.number, "name": row.name, "applied_ms": row.applied_ms}
        for row in found
    ]
    print(json.dumps(rows))


def _print_table(found: list[FileStatus]) -> None:
    table = Table("file", "number", "name", "state")
    for row in found:
        table.add_row(
            row.file, f"{row.number:04}", row.name, "pending" if row.applied_ms is None else "applied"
        )
    Console().print(table)
