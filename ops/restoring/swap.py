"""The swap: restored copies take the place of database files, all of them or none, whenever it is interrupted.

No order of renames is safe by itself: a database whose WAL is another's is corrupt. So an intent is written first, and
whoever finds it finishes what it says, or undoes it where a copy is lost, before any database is opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ops.restoring import disk, intent, locks
from ops.restoring.intent import Intent
from ops.restoring.mark import SUFFIX
from ops.restoring.refusal import Refused

Step = Callable[[str], None]
"""Told after each step on the disk what was done."""

FOLDER_MODE = 0o700


def unheard(_: str) -> None:
    """Tell nobody."""


def settle(data: Path, step: Step = unheard) -> str:
    """Finish or undo a swap that was interrupted, and say which in a sentence; empty where there was none.

    For every program that opens the databases of the folder, before it does. Raises Refused, with what to do, where
    another process is at it or the files are not as any interrupted swap leaves them.
    """
    pending = intent.read(data)
    if pending is None:
        return ""
    with locks.held(data, pending.files):
        # Whoever held the locks until now may have done it.
        return resolve(data, step)


def resolve(data: Path, step: Step = unheard) -> str:
    """Do what `settle` does, for whoever holds the locks of the files."""
    pending = intent.read(data)
    if pending is None:
        return ""
    lost = [file for file in pending.files if _is_lost(data, pending, file)]
    if lost:
        _undo(data, pending, step)
        return (
            f"A restore was interrupted and its copy of {', '.join(lost)} is gone: what was there before is in place "
            "again. Restore again."
        )
    finish(data, pending, step)
    return f"A restore of {', '.join(pending.files)} was interrupted; it is finished now."


def finish(data: Path, pending: Intent, step: Step = unheard) -> None:
    """Carry the intent out, from wherever it stands, and take it away. The locks of the files are held."""
    for file in pending.files:
        if _fresh(data, pending, file).exists():
            _exchange(data, pending, file, step)
    intent.forget(data)
    step("the intent is done")


def _exchange(data: Path, pending: Intent, file: str, step: Step) -> None:
    old = data / pending.old
    old.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    for name in _names(file):
        if os.path.lexists(data / name):
            _move(data / name, old / name)
            step(f"{name} is aside")
    disk.flush_folder(old)
    _move(_fresh(data, pending, file), data / file)
    disk.flush_folder(data)
    step(f"{file} is in place")


def _undo(data: Path, pending: Intent, step: Step) -> None:
    old = data / pending.old
    for file in pending.replaced:
        if not (old / file).exists() and not (data / file).exists():
            raise _unclear(data, pending, f"neither {file} nor its copy is there")
    for file in reversed(pending.files):
        if _is_in_place(data, pending, file):
            _move(data / file, _fresh(data, pending, file))
            step(f"the copy of {file} is aside")
        for name in _names(file):
            if os.path.lexists(old / name):
                _move(old / name, data / name)
                step(f"{name} is back")
    disk.flush_folder(data)
    intent.forget(data)
    step("the intent is undone")


def _is_lost(data: Path, pending: Intent, file: str) -> bool:
    """Tell whether a copy is neither waiting nor in place."""
    return not _fresh(data, pending, file).exists() and not _is_in_place(data, pending, file)


def _is_in_place(data: Path, pending: Intent, file: str) -> bool:
    """Tell whether a copy was moved in: it does not wait any more, and what it replaces was moved away before."""
    if _fresh(data, pending, file).exists() or not (data / file).exists():
        return False
    if not (data / pending.fresh).is_dir():
        raise _unclear(
            data, pending, f"{data / pending.fresh} is gone, and nobody can tell which {file} this is"
        )
    return file not in pending.replaced or (data / pending.old / file).exists()


def _move(source: Path, target: Path) -> None:
    if os.path.lexists(target):
        raise Refused(
            f"{source} cannot be moved to {target}, where something is already: a program wrote there in the middle of "
            f"a restore. Move one of the two away, and start again; {intent.NAME} says what was to be done."
        )
    os.rename(source, target)


def _names(file: str) -> Iterator[str]:
    """Name all that belongs to a database and not to its successor.

    Litestream's own notes go too: with them it could take the copy for the file that it knew, and copy on from there.
    """
    yield file
    yield f"{file}-wal"
    yield f"{file}-shm"
    yield f"{file}-journal"
    yield f"{file}.noted"
    yield f".{file}-litestream"


def _fresh(data: Path, pending: Intent, file: str) -> Path:
    return data / pending.fresh / (file + SUFFIX)


def _unclear(data: Path, pending: Intent, what: str) -> Refused:
    return Refused(
        f"A restore was interrupted, and {what}. Look at the files of {data}, {data / pending.old} and "
        f"{data / pending.fresh}, put those in place that shall be served, and remove {data / intent.NAME}."
    )
