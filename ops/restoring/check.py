"""Check: that a restored file is a sound database, page by page and reference by reference."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from ops.restoring.engine import sqlite3
from ops.restoring.refusal import Refused

EXAMPLES_MAX = 5


def check(path: Path) -> None:
    """Look at every page, index and reference; raises Refused with what is damaged. Nobody may write meanwhile."""
    try:
        # Immutable: no WAL is made or read, so the check leaves nothing beside the copy.
        address = f"file:{quote(str(path))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({EXAMPLES_MAX})")]
            damage = [] if found == ["ok"] else found
            references = {
                f"a row of {child} refers to a missing row of {parent}"
                for child, _, parent, _ in connection.execute("PRAGMA foreign_key_check")
            }
            damage += sorted(references)
    except sqlite3.Error as error:
        damage = [str(error)]
    if damage:
        raise Refused(
            f"The copy of {path.name} is damaged: {'; '.join(damage[:EXAMPLES_MAX])}. Restore another moment "
            "(`palaver snapshots` shows them); the files that are served were not touched."
        )
