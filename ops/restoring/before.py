"""Before a message: the moment just before a row was written, and whether a copy of that moment is without it."""

from __future__ import annotations

import re
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ops.restoring import moment
from ops.restoring.beside import Copy, temporary_copy
from ops.restoring.engine import sqlite3
from ops.restoring.litestream import ASK_TIMEOUT_S
from ops.restoring.place import MAIN, Place
from ops.restoring.progress import Tell, nobody
from ops.restoring.refusal import Misused, Refused
from ops.restoring.standing import BUSY_TIMEOUT_S

_NAME = re.compile(
    r"\A(?P<persona>[a-z0-9][a-z0-9_-]{0,62}):"
    r"(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/(?P<seq>[1-9][0-9]{0,17})\Z"
)
_ROW = """
SELECT rows.created_ms
FROM conversations AS c
JOIN (
    SELECT conversation, seq, created_ms FROM messages
    UNION ALL SELECT conversation, seq, created_ms FROM changes
) AS rows ON rows.conversation = c.number
WHERE c.uuid = ? AND rows.seq = ?
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One event of one conversation; `at_ms` is when it was written."""

    file: str
    conversation: bytes
    seq: int
    at_ms: int


def find(place: Place, written: str, *, tell: Tell = nobody, ask_timeout_s: float = ASK_TIMEOUT_S) -> Row:
    """Find `<conversation>/<seq>` in the file that is served, or else in its newest copy; raises Refused."""
    name = _NAME.match(written)
    if name is None:
        raise Misused(f"--before {written!r}: write <conversation>/<seq>, as main:0190c1d2-…/17.")
    file = MAIN if name["persona"] == "main" else f"persona_{name['persona']}.db"
    conversation, seq = uuid.UUID(name["uuid"]).bytes, int(name["seq"])
    at_ms = _written_ms(place.data / file, conversation, seq, "mode=ro")
    if at_ms is None:
        with temporary_copy(place, file, None, tell=tell, ask_timeout_s=ask_timeout_s) as copy:
            at_ms = _written_ms(copy.path, conversation, seq, "mode=ro&immutable=1")
    if at_ms is None:
        raise Refused(
            f"There is no {written}, neither in {place.data / file} nor in its newest copy. If it was restored away, "
            "restore to a time with --at."
        )
    return Row(file=file, conversation=conversation, seq=seq, at_ms=at_ms)


def verdict(row: Row, copy: Copy) -> str:
    """Say how near a copy comes to the moment before the row; raises Refused where the row is in it."""
    if _written_ms(copy.path, row.conversation, row.seq, "mode=ro&immutable=1") is not None:
        raise Refused(
            f"The copy of {moment.shown(row.at_ms)} still holds event {row.seq}: the clock of the server was set back. "
            "Restore to an earlier time with --at."
        )
    if (
        row.seq == 1
        or _written_ms(copy.path, row.conversation, row.seq - 1, "mode=ro&immutable=1") is not None
    ):
        return f"Event {row.seq} is not in the copy, and all before it are."
    return (
        f"Event {row.seq} is not in the copy, nor are some events just before it, which were copied together with it: "
        "the replica cannot tell them apart."
    )


def _written_ms(path: Path, conversation: bytes, seq: int, options: str) -> int | None:
    if not path.exists():
        return None
    try:
        address = f"file:{quote(str(path))}?{options}"
        with closing(
            sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        ) as connection:
            found = connection.execute(_ROW, (conversation, seq)).fetchone()
            return None if found is None else int(found[0])
    except sqlite3.Error:
        # A file that cannot be read says nothing of the row; its copy may.
        return None
