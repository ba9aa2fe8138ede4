"""Brings a database to this program's schema: numbered files, forward only, one transaction each.

A migration runs with foreign keys off, since a table that others refer to cannot be rebuilt otherwise, and
SQLite ignores that switch inside a transaction; before the commit every reference is checked instead.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from storage.engine import sqlite3

if TYPE_CHECKING:
    from sqlite3 import Connection

# "Plvr": `file` shows it, and it tells our databases from all others.
APPLICATION_ID = 0x506C7672

STATEMENT_SHOWN_MAX = 200

_FILE_NAME = re.compile(r"(?P<number>[0-9]{4})_(?P<name>[a-z0-9_]+)\.sql")
_CHECKSUM_SHOWN = 12
# The runner's own table: it must be there before any named query can be.
_RECORDS = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    checksum   TEXT    NOT NULL,
    applied_ms INTEGER NOT NULL
) STRICT
"""
_READ_RECORDS = "SELECT number, name, checksum, applied_ms FROM schema_migrations ORDER BY number"
_ADD_RECORD = "INSERT INTO schema_migrations (number, name, checksum, applied_ms) VALUES (?, ?, ?, ?)"


class MigrationRefused(Exception):
    """The database cannot be brought to this program's schema; the message says why and what to do."""


class Migration(msgspec.Struct, frozen=True):
    """One file of migrations; `checksum` is the SHA-256 of its bytes, in hexadecimal."""

    number: int
    name: str
    checksum: str
    text: str

    @property
    def file(self) -> str:
        """Name the file."""
        return f"{self.number:04}_{self.name}.sql"


class Applied(msgspec.Struct, frozen=True):
    """What a database records of a migration that it was given; `applied_ms` is UTC."""

    number: int
    name: str
    checksum: str
    applied_ms: int

    @property
    def file(self) -> str:
        """Name the file that was applied."""
        return f"{self.number:04}_{self.name}.sql"


def shipped(dialect: str = "sqlite") -> Path:
    """Return the folder of the migrations that came with this program, in a checkout as in a wheel."""
    return Path(__file__).resolve().parent.parent / "migrations" / dialect


def migrate(connection: Connection, migrations: Path) -> list[Migration]:
    """Apply what is pending and return it; several processes may do so at once.

    The connection must be in autocommit mode (`isolation_level=None`) with no transaction open; its
    `busy_timeout` is how long another process's migration is waited for. Raises MigrationRefused, and then
    keeps the migrations before the one that failed.
    """
    shelf = read(migrations)
    done: list[Migration] = []
    while _pending(connection, shelf):
        done += _apply_next(connection, shelf)
    return done


def pending(connection: Connection, migrations: Path) -> list[Migration]:
    """Return what `migrate` would apply, in order; raises MigrationRefused where it would refuse."""
    return _pending(connection, read(migrations))


def status(connection: Connection, migrations: Path) -> list[tuple[int, str, int | None]]:
    """Return each migration's number, name and time of application: ms UTC, None while pending.

    Raises MigrationRefused where `migrate` would.
    """
    shelf = read(migrations)
    applied = {record.number: record.applied_ms for record in _checked(connection, shelf)}
    return [(migration.number, migration.name, applied.get(migration.number)) for migration in shelf]


def read(migrations: Path) -> list[Migration]:
    """Read a folder's files in order; raises MigrationRefused unless they are numbered 1, 2, 3… once each."""
    shelf = [_read_file(file) for file in sorted(migrations.glob("*.sql"))]
    if not shelf:
        raise MigrationRefused(
            f"There are no migrations in {migrations}: install this release of Palaver again."
        )
    for expected, migration in enumerate(shelf, start=1):
        if migration.number < expected:
            raise MigrationRefused(
                f"{migrations} has two migrations {migration.number:04}: give the newer one the next number."
            )
        if migration.number > expected:
            raise MigrationRefused(
                f"Migration {expected:04} is missing in {migrations}, where {migration.file} is: "
                "put the file back, or install this release of Palaver again."
            )
    return shelf


def _read_file(file: Path) -> Migration:
    name = _FILE_NAME.fullmatch(file.name)
    if name is None:
        raise MigrationRefused(f"{file} is not named like 0001_what_it_does.sql: rename it, or take it away.")
    content = file.read_bytes()
    return Migration(int(name["number"]), name["name"], hashlib.sha256(content).hexdigest(), content.decode())


def _pending(connection: Connection, shelf: Sequence[Migration]) -> list[Migration]:
    return list(shelf[len(_checked(connection, shelf)) :])


def _checked(connection: Connection, shelf: Sequence[Migration]) -> list[Applied]:
    """Return the database's records; raises MigrationRefused unless they are the beginning of the shelf."""
    applied = _applied(connection)
    if len(applied) > len(shelf):
        raise MigrationRefused(
            f"{_file(connection)} was migrated by a newer Palaver ({applied[-1].file}; this one knows "
            f"{len(shelf)}). Start the newer program, or restore a copy made before the upgrade."
        )
    for record, migration in zip(applied, shelf, strict=False):
        _compare(connection, record, migration)
    return applied


def _compare(connection: Connection, record: Applied, migration: Migration) -> None:
    if record.number != migration.number:
        raise MigrationRefused(
            f"{_file(connection)} records {record.file} but not {migration.file}, so its table "
            "schema_migrations was changed by hand. Restore a copy made before that."
        )
    if (record.name, record.checksum) != (migration.name, migration.checksum):
        raise MigrationRefused(
            f"{migration.file} is not what {_file(connection)} was given as {record.file} (SHA-256 "
            f"{record.checksum[:_CHECKSUM_SHOWN]}…, now {migration.checksum[:_CHECKSUM_SHOWN]}…). Put the "
            "released file back, byte for byte; what is to change goes into a new migration."
        )


def _applied(connection: Connection) -> list[Applied]:
    try:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        }
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        if not tables and application_id in (0, APPLICATION_ID):
            return []
        if application_id == APPLICATION_ID and "schema_migrations" in tables:
            return [Applied(*row) for row in connection.execute(_READ_RECORDS)]
    except sqlite3.DatabaseError as error:
        raise MigrationRefused(
            f"{_file(connection)} cannot be read ({error}). Run `palaver doctor`."
        ) from error
    raise MigrationRefused(
        f"{_file(connection)} is not a Palaver database, and was left as it is. Move it away, or set "
        "PALAVER_DATA to another folder."
    )


def _apply_next(connection: Connection, shelf: Sequence[Migration]) -> list[Migration]:
    """Apply the first pending migration; nothing if another process has applied it meanwhile."""
    foreign_keys = connection.execute("PRAGMA foreign_keys").fetchone()[0]
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        _control(connection, "BEGIN IMMEDIATE")
        # Read again: another process may have migrated while this one waited for the lock.
        todo = _pending(connection, shelf)[:1]
        for migration in todo:
            _apply(connection, migration)
        _control(connection, "COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute(f"PRAGMA foreign_keys = {foreign_keys:d}")
    return todo


def _control(connection: Connection, statement: str) -> None:
    try:
        connection.execute(statement)
    except sqlite3.Error as error:
        raise MigrationRefused(
            f"{_file(connection)} cannot be written ({error}): stop the program that holds it, make room on "
            "its disk, or make it writable for this user, and try again."
        ) from error


def _apply(connection: Connection, migration: Migration) -> None:
    for line, statement in _statements(migration.text):
        _execute(connection, migration, line, statement)
    broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    if broken is not None:
        raise MigrationRefused(
            f"After {migration.file} a row of {broken[0]} would refer to a missing row of {broken[2]}; "
            "nothing of it was kept. Run `palaver doctor`, and restore a copy without that fault."
        )
    connection.execute(_RECORDS)
    applied_ms = time.time_ns() // 1_000_000
    connection.execute(_ADD_RECORD, (migration.number, migration.name, migration.checksum, applied_ms))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
    connection.execute(f"PRAGMA user_version = {migration.number:d}")


def _execute(connection: Connection, migration: Migration, line: int, statement: str) -> None:
    try:
        connection.execute(statement)
        if not connection.in_transaction:
            raise sqlite3.OperationalError("a migration is one transaction and must not end it")
    except sqlite3.Error as error:
        shown = " ".join(statement.split())[:STATEMENT_SHOWN_MAX]
        raise MigrationRefused(
            f"{migration.file}, line {line}: {error}, in `{shown}`. Nothing of this migration was kept in "
            f"{_file(connection)}. Mend the cause, and start again."
        ) from error


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Split a script into statements, each with the line where it ends.

    A semicolon inside a trigger, a string or a comment ends nothing, so SQLite is asked whether it does.
    """
    start = 0
    for semicolon in re.finditer(";", text):
        statement = text[start : semicolon.end()]
        if sqlite3.complete_statement(statement):
            yield text.count("\n", 0, semicolon.end()) + 1, statement
            start = semicolon.end()
    if text[start:].strip():
        yield text.count("\n") + 1, text[start:]


def _file(connection: Connection) -> str:
    return str(connection.execute("PRAGMA database_list").fetchone()[2] or "The database in memory")
