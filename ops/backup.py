"""`palaver backup`: makes, lists, verifies and unpacks backups of all databases of one moment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from chat.settings import Settings
from ops.owned_settings import owned_settings

if TYPE_CHECKING:
    from ops.backups.shelf import Shelf

EXIT_FAILED = 1
EXIT_USAGE = 2


def backup(
    name: Annotated[
        str, typer.Argument(help="A backup's name, for --verify and --restore; empty: the newest.")
    ] = "",
    to: Annotated[
        str,
        typer.Option(
            help="The folder that the backup goes to, PALAVER_BACKUPS if absent; with --restore the new data folder."
        ),
    ] = "",
    source: Annotated[
        str, typer.Option("--from", help="The folder of backups to look into; PALAVER_BACKUPS if absent.")
    ] = "",
    listing: Annotated[bool, typer.Option("--list", help="List the backups.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every byte of a backup and check it.")
    ] = False,
    restore: Annotated[
        bool, typer.Option("--restore", help="Put a backup into the new data folder that --to names.")
    ] = False,
    secret: Annotated[
        bool,
        typer.Option(
            "--with-secret", help="Take the signing secret too: whoever has the backup can sign tokens."
        ),
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Never remove this backup by its age.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Copy all databases as they are at one moment into a folder, beside a running server, and check the copy.

    Old backups are removed as PALAVER_BACKUP_DAILY, _WEEKLY and _MONTHLY say; nothing of the last two days ever is.
    """
    if sum((listing, verify, restore)) > 1 or (restore and not to):
        _fail("choose one of --list, --verify and --restore; --restore needs --to", EXIT_USAGE)
    if name and not (verify or restore):
        _fail("a name goes with --verify or --restore", EXIT_USAGE)
    from ops.backups.shelf import (  # here: the other commands start without SQLite
        Shelf,
        ShelfFailed,
        folder_of,
    )

    settings = owned_settings(to if restore else "")
    looked_into = source if listing or verify or restore else to
    shelf = Shelf(Path(looked_into).absolute() if looked_into else folder_of(settings))
    try:
        if listing:
            _list(shelf, as_json)
        elif verify:
            _verify(shelf, name, as_json)
        elif restore:
            _restore(shelf, name, Path(to).absolute(), as_json)
        else:
            _make(settings, shelf, secret=secret, keep=keep, as_json=as_json)
    except ShelfFailed as error:
        _fail(str(error))


def _make(settings: Settings, shelf: Shelf, *, secret: bool, keep: bool, as_json: bool) -> None:
    from ops.backup_table import copying, made
    from ops.backups.keeping import Keep, expired
    from ops.backups.making import BackupFailed, make

    with shelf.locked():
        try:
            with copying(quiet=as_json) as progress:
                backup = make(settings, shelf, secret=secret, kept=keep, progress=progress)
        except BackupFailed as error:
            _fail(str(error))
        leaving = expired(shelf.backups(), Keep.of(settings))
        for old in leaving:
            shelf.remove(old)
    removed = [old.name for old in leaving]
    if as_json:
        _print_json({"folder": str(shelf.path(backup)), "backup": backup, "removed": removed})
    else:
        made(shelf.path(backup), backup, removed)


def _list(shelf: Shelf, as_json: bool) -> None:
    from ops.backup_table import show

    backups = shelf.backups()
    broken = [folder.name for folder in shelf.broken()]
    if as_json:
        _print_json({"folder": str(shelf.folder), "backups": backups, "broken": broken})
    else:
        show(shelf.folder, backups, broken)


def _verify(shelf: Shelf, name: str, as_json: bool) -> None:
    from ops.backup_table import reading, verified
    from ops.backups.checking import check

    backup = shelf.find(name)
    with reading(quiet=as_json, files=len(backup.files)) as told:
        found = check(shelf.path(backup), backup, told)
    sound = all(each.ok for each in found)
    if as_json:
        _print_json({"backup": backup.name, "ok": sound, "files": found})
    else:
        verified(backup, found)
    if not sound:
        raise typer.Exit(EXIT_FAILED)


def _restore(shelf: Shelf, name: str, folder: Path, as_json: bool) -> None:
    from ops.backup_table import unpacked
    from ops.backups.unpacking import UnpackFailed, unpack

    backup = shelf.find(name)
    try:
        databases = unpack(shelf, backup, folder)
    except UnpackFailed as error:
        _fail(str(error))
    if as_json:
        _print_json(
            {"backup": backup.name, "folder": str(folder), "databases": [each.name for each in databases]}
        )
    else:
        unpacked(backup, folder)


def _print_json(report: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(report)))


def _fail(reason: str, code: int = EXIT_FAILED) -> None:
    print(f"palaver backup: {reason}", file=sys.stderr)
    raise typer.Exit(code)
