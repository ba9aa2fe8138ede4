"""Puts a SQLite without the WAL-reset bug in place of the standard library's, before anybody imports aiosqlite.

SQLite 3.7.0 to 3.51.2 can lose commits when one connection checkpoints while another writes (sqlite.org/wal.html).
Everything here that touches a database imports `sqlite3` from this module.
"""

from __future__ import annotations

import sys
from types import ModuleType

SQLITE_VERSION_MIN = (3, 51, 3)


class SQLiteTooOld(Exception):
    """The SQLite at hand can corrupt databases in WAL mode; the message says how to get another."""


def _put_in_place() -> ModuleType:
    if "aiosqlite" in sys.modules and sys.modules.get("sqlite3") is not sys.modules.get("pysqlite3"):
        raise SQLiteTooOld("aiosqlite was imported before storage.engine: import storage.engine first")
    try:
        import pysqlite3
        import pysqlite3.dbapi2
    except ImportError:
        import sqlite3 as standard

        return _adapted(standard)
    sys.modules["sqlite3"] = pysqlite3
    sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2
    return _adapted(pysqlite3)


def _adapted(engine: ModuleType) -> ModuleType:
    """Say that bytes and None are stored as they are.

    Nothing changes but the time: without an adapter the module looks for two methods on each such value, in vain, and
    the exceptions cost 2 µs, as much as storing a whole row.
    """
    engine.register_adapter(bytes, bytes)
    engine.register_adapter(type(None), lambda none: none)
    return engine


def assert_version(version_info: tuple[int, ...] | None = None) -> None:
    """Raise SQLiteTooOld unless the SQLite in place is SQLITE_VERSION_MIN or newer."""
    found = sqlite3.sqlite_version_info if version_info is None else version_info
    if tuple(found) < SQLITE_VERSION_MIN:
        wanted = ".".join(map(str, SQLITE_VERSION_MIN))
        raise SQLiteTooOld(
            f"SQLite {'.'.join(map(str, found))} can corrupt a database in WAL mode; {wanted} or newer is needed. "
            "Run `pip install 'pysqlite3>=0.6.1'`; where pip has no wheel for this platform, build pysqlite3 against "
            "a newer libsqlite3, or use a Python that has one."
        )


sqlite3 = _put_in_place()
