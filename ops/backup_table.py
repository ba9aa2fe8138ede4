"""Draws backups, and the making of one, for a person at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ops.backups.checking import Checked
from ops.backups.manifest import Manifest


@contextmanager
def copying(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of the bytes that are copied, on standard error, where that is a terminal."""
    with _bar(quiet, DownloadColumn()) as progress:
        task = progress.add_task("copying", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def reading(*, quiet: bool, files: int) -> Iterator[Callable[[str], None]]:
    """Show a bar of the files that are read."""
    with _bar(quiet) as progress:
        task = progress.add_task("reading", total=files)
        yield lambda name: progress.update(task, description=f"reading {name}", advance=1)


def made(folder: Path, backup: Manifest, removed: Sequence[str]) -> None:
    """Say where the backup is, and what was removed for it."""
    console = Console()
    console.print(f"[green]{escape(str(folder))}[/]", soft_wrap=True)
    console.print(
        f"{len(backup.files)} files of {_moment(backup)}, {decimal(backup.size_bytes)}, "
        f"checked, in {backup.took_ms / 1000:.1f} s",
        soft_wrap=True,
    )
    if not backup.has_secret:
        console.print(
            "Without the signing secret: keep that elsewhere, or use --with-secret.", soft_wrap=True
        )
    for name in removed:
        console.print(f"removed {name}, by its age")


def show(folder: Path, backups: Sequence[Manifest], broken: Sequence[str]) -> None:
    """List the backups, oldest first."""
    console = Console()
    table = Table("backup", "moment", "files", "size", "secret", "kept")
    for each in backups:
        table.add_row(
            each.name,
            _moment(each),
            str(len(each.files)),
            decimal(each.size_bytes),
            "yes" if each.has_secret else "no",
            "for ever" if each.kept else "by age",
        )
    console.print(table if backups else f"There is no backup in {folder}. `palaver backup` makes one.")
    for name in broken:
        console.print(f"[yellow]{escape(name)} has no good manifest: it is no backup, and may be removed.[/]")


def verified(backup: Manifest, found: Sequence[Checked]) -> None:
    """Say of each file whether it is sound."""
    console = Console()
    table = Table(box=None, show_header=False)
    for each in found:
        table.add_row("[green]ok[/]" if each.ok else "[bold red]damaged[/]", each.name, escape(each.damage))
    console.print(f"[bold]{backup.name}[/]")
    console.print(table)
    if not all(each.ok for each in found):
        console.print(
            "→ Take another backup; `palaver backup` makes a new one, where the databases are sound."
        )


def unpacked(backup: Manifest, folder: Path) -> None:
    """Say what to do with the folder now."""
    console = Console()
    console.print(f"{backup.name}, of {_moment(backup)}, stands in {folder}", soft_wrap=True)
    console.print("To serve it: stop the server, set PALAVER_DATA to that folder, and start it again.")
    if not backup.has_secret:
        console.print("It has no signing secret: put yours there as `secret`, or every token is void.")


@contextmanager
def _bar(quiet: bool, *columns: DownloadColumn) -> Iterator[Progress]:
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    ) as progress:
        yield progress


def _moment(backup: Manifest) -> str:
    return datetime.fromtimestamp(backup.moment_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
