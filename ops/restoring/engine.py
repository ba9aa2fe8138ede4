"""SQLite for restores: the one that the server runs on where it is installed, else the standard library's.

Either will do: what is restored is nobody else's yet, and the database of a server is only ever read here.
"""

from __future__ import annotations

from types import ModuleType


def _found() -> ModuleType:
    try:
        import pysqlite3.dbapi2 as installed
    except ImportError:
        import sqlite3 as standard

        return standard
    return installed  # type: ignore[no-any-return]


sqlite3 = _found()
