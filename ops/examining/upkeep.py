"""What a doctor asks of the upkeep of a data folder: backups, the secret, drills, restores that did not end, space."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

from rich.filesize import decimal

from chat.auth import SECRET_FILE
from chat.settings import Settings
from ops.backups.making import LEDGER_FILE
from ops.backups.manifest import Manifest
from ops.backups.shelf import Shelf, folder_of
from ops.examining.findings import Finding, error, good, warning
from ops.restoring import intent
from ops.restoring.intent import REPLACED
from ops.restoring.place import RESTORES
from storage.space import SpaceFailed, space_of

NOTED = ".noted"
DAY_S = 24 * 3600.0
BACKUP_AGE_S_MAX = 8 * DAY_S
FREE_SHARE_MAX = 0.25
FREE_BYTES_MIN = 64 * 1024 * 1024


def findings(settings: Settings, databases: list[Path]) -> Iterator[Finding]:
    """Look at what was done, and at what was left undone."""
    folder = Path(settings.data).absolute()
    yield from _intent(folder / intent.NAME)
    yield from _replaced(folder / RESTORES)
    yield from _records(folder)
    backups = Shelf(folder_of(settings)).backups()
    yield _last_backup(settings, backups)
    yield from _secret(settings, folder / SECRET_FILE, backups)
    for database in databases:
        yield from _space(database)


def _intent(file: Path) -> Iterator[Finding]:
    if file.exists():
        yield error(
            str(file),
            "restore",
            "a restore was begun and did not end",
            "Start the server, or run `palaver restore`: each finishes it or takes it back, and says what it did.",
        )


def _replaced(restores: Path) -> Iterator[Finding]:
    """Weigh the files that restores in place have moved aside: nobody but a person knows when they are not missed."""
    kept = sorted(restores.glob(f"{REPLACED}*"))
    if not kept:
        return
    size = sum(file.stat().st_size for folder in kept for file in folder.rglob("*") if file.is_file())
    yield warning(
        str(restores),
        "replaced files",
        f"{len(kept)} restores in place have left what was there before, {decimal(size)}",
        f"When nobody misses it: rm -r {shlex.quote(str(restores))}/{REPLACED}*",
    )


def _records(folder: Path) -> Iterator[Finding]:
    """Read what is noted outside the databases, a JSON object a line."""
    for file in (folder / LEDGER_FILE, *sorted(folder.glob(f"*.db{NOTED}"))):
        if not file.exists():
            continue
        try:
            lines = [
                json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()
            ]
        except (OSError, ValueError) as problem:
            do = "Put it back from a backup, or move it away: then a removal may return with a restore."
            yield error(str(file), "record", f"cannot be read: {problem}", do)
        else:
            yield good(str(file), "record", f"{len(lines)} entries" if len(lines) != 1 else "1 entry")


def _last_backup(settings: Settings, backups: list[Manifest]) -> Finding:
    subject = str(folder_of(settings))
    if not backups:
        return warning(
            subject,
            "backup",
            "there is none: a replica keeps a week, and follows every mistake",
            "`palaver backup` makes one; do it by a timer, and to another disk (PALAVER_BACKUPS).",
        )
    newest = backups[-1]
    age_s = time.time() - newest.moment_ms / 1000
    text = f"{len(backups)}, the newest of {_ago(age_s)} ({newest.name}, {decimal(newest.size_bytes)})"
    if age_s > BACKUP_AGE_S_MAX:
        return warning(subject, "backup", text, "`palaver backup` makes one; see why the timer did not.")
    return good(subject, "backup", text)


def _secret(settings: Settings, secret: Path, backups: list[Manifest]) -> Iterator[Finding]:
    """Look whether the secret would survive this machine: it is never on the replica."""
    if settings.jwt_secret or "HS256" not in settings.jwt_algorithms or not secret.exists():
        return
    if any(backup.has_secret for backup in backups):
        yield good(str(secret), "secret's copy", "is in a backup")
        return
    yield warning(
        str(secret),
        "secret's copy",
        "is in no backup, and never on the replica: without it every token is void",
        "Keep a copy where you keep passwords, or take it into a backup with `palaver backup --with-secret`.",
    )


def _space(database: Path) -> Iterator[Finding]:
    try:
        space = space_of(database)
    except SpaceFailed:
        return  # whoever looks into the file says so
    text = f"{decimal(space.free_bytes)} of {decimal(space.size_bytes)} are free in it"
    if space.free_share > FREE_SHARE_MAX and space.free_bytes > FREE_BYTES_MIN:
        how = "`palaver vacuum`" if space.incremental else "`palaver vacuum --full`, the server stopped,"
        yield warning(str(database), "space", text, f"{how} gives it back to the disk.")
    else:
        yield good(str(database), "space", text)


def _ago(age_s: float) -> str:
    return f"{age_s / DAY_S:.0f} days ago" if age_s >= 2 * DAY_S else f"{age_s / 3600:.1f} h ago"
