"""Examination: one database file from inside, read-only: schema, PRAGMAs, pages, references, invariants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chat.settings import Settings
from ops.examining.findings import Finding, error, good, warning
from ops.restoring.locks import server_of
from storage import inspect, migrate
from storage.inspect import Inspection, InspectionFailed
from storage.readers import readers_of
from storage.tuning import Tuning

# A WAL that stays this many times larger than its limit is held open by a reader that was forgotten.
WAL_LIMITS_MAX = 2

MENDED_BY_RESTORE = "Stop the server, and restore the file from a copy."


def examine(file: Path, settings: Settings) -> Iterator[Finding]:
    """Look into one database file; a server may be using it meanwhile."""
    yield _server(file)
    yield _wal(file, settings)
    try:
        with Inspection(file, Tuning.of(settings, query_only=True)) as inspection:
            yield from _inspected(inspection, settings)
    except InspectionFailed as problem:
        yield error(
            str(file),
            "open",
            f"cannot be read: {problem}",
            MENDED_BY_RESTORE,
        )


def _inspected(inspection: Inspection, settings: Settings) -> Iterator[Finding]:
    schema = _schema(inspection)
    yield schema
    yield from _pragmas(inspection, settings)
    yield _damage(inspection)
    if schema.level == "error":
        return
    yield _references(inspection)
    for invariant in inspect.INVARIANTS:
        yield _invariant(inspection, invariant)


def _server(file: Path) -> Finding:
    pid = server_of(file)
    return good(str(file), "server", "not being served" if pid is None else f"served by process {pid}")


def _wal(file: Path, settings: Settings) -> Finding:
    wal = file.with_name(file.name + "-wal")
    size = wal.stat().st_size if wal.exists() else 0
    text = f"{size // 2**20} MiB"
    if size > WAL_LIMITS_MAX * settings.journal_size_limit_bytes:
        return warning(
            str(file),
            "WAL",
            f"{text}: it is not copied back{_held_by(file)}",
            "Look for a program that keeps the database open, and end it.",
        )
    return good(str(file), "WAL", text)


def _held_by(file: Path) -> str:
    """Name who reads just now. Only before this process has opened the file."""
    names = []
    for pid in readers_of(file):
        try:
            names.append(f"{pid} ({Path(f'/proc/{pid}/comm').read_text(encoding='utf-8').strip()})")
        except OSError:
            names.append(str(pid))
    return f", while these read: process {', '.join(names)}" if names else ""


def _schema(inspection: Inspection) -> Finding:
    try:
        steps = inspection.migrations(migrate.shipped())
    except migrate.MigrationRefused as refused:
        return error(
            str(inspection.path), "schema", str(refused), "Do as it says; the server will not start else."
        )
    waiting = [f"{number:04}_{name}" for number, name, applied_ms in steps if applied_ms is None]
    if len(waiting) == len(steps):
        return error(str(inspection.path), "schema", "is empty", "`palaver migrate` makes it.")
    if waiting:
        text = f"{', '.join(waiting)} not applied yet"
        return warning(
            str(inspection.path), "schema", text, "`palaver migrate`, or the next start, applies it."
        )
    return good(str(inspection.path), "schema", f"migration {len(steps)}, the newest")


def _pragmas(inspection: Inspection, settings: Settings) -> Iterator[Finding]:
    found = inspection.pragmas()
    expected = {
        "application_id": str(migrate.APPLICATION_ID),
        "journal_mode": "wal",
        "synchronous": {"full": "2", "normal": "1"}[settings.synchronous],
        "foreign_keys": "1",
        "mmap_size": "0",
    }
    for name, value in expected.items():
        if found[name] != value:
            do = "Start a server once on this file; if that does not mend it, restore the file."
            yield error(str(inspection.path), f"PRAGMA {name}", f"is {found[name]}, not {value}", do)
    shown = ", ".join(f"{name} {value}" for name, value in found.items())
    yield good(str(inspection.path), "PRAGMAs", shown)


def _damage(inspection: Inspection) -> Finding:
    damage = inspection.damage()
    if damage:
        return error(str(inspection.path), "quick_check", "; ".join(damage), MENDED_BY_RESTORE)
    return good(str(inspection.path), "quick_check", "every page is sound")


def _references(inspection: Inspection) -> Finding:
    broken = inspection.broken_references()
    if broken:
        return error(
            str(inspection.path),
            "references",
            f"rows refer to nothing: {', '.join(broken)}",
            MENDED_BY_RESTORE,
        )
    return good(str(inspection.path), "references", "every reference leads somewhere")


def _invariant(inspection: Inspection, invariant: str) -> Finding:
    promise = inspect.INVARIANTS[invariant]
    broken = inspection.violations(invariant)
    if broken:
        text = f"not true that {promise}: {', '.join(broken)}"
        return error(str(inspection.path), invariant, text, MENDED_BY_RESTORE)
    return good(str(inspection.path), invariant, promise)
