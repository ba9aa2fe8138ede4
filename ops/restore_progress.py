"""Shows on a terminal what a restore tells of itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ops.restoring.progress import FETCH, Tell
from ops.restoring.progress import Progress as Told


@contextmanager
def shown_progress() -> Iterator[tuple[Tell, Progress]]:
    """Show on stderr what a restore tells, as one bar; nothing where that is no terminal."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)

        def tell(told: Told) -> None:
            # Compressed on the way and of a size that is only guessed, a copy may outgrow its bar.
            total = max(told.total, told.done) if told.step == FETCH else None
            bar.update(task, description=f"{told.step} {told.file}", completed=told.done, total=total)

        yield tell, bar
