"""The loss: what stands in a file that is served and not in the copy that would take its place."""

from __future__ import annotations

import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ops.restoring.engine import sqlite3
from ops.restoring.refusal import Refused
from ops.restoring.standing import BUSY_TIMEOUT_S, Standing, standing, tables

# A conversation is looked into where its counters differ; the others are the same in both.
_CHANGED = """
SELECT live.number, copied.number, live.uuid, live.title, live.last_seq, coalesce(copied.last_seq, 0)
FROM main.conversations AS live
LEFT JOIN copy.conversations AS copied ON copied.uuid = live.uuid
WHERE copied.number IS NULL OR copied.last_seq <> live.last_seq OR copied.updated_ms <> live.updated_ms
ORDER BY live.updated_ms DESC
"""
_EPOCH_AT = """
SELECT epoch FROM {side}.generations WHERE number = (
    SELECT generation FROM {side}.messages WHERE conversation = ?1 AND seq = ?2
    UNION ALL SELECT generation FROM {side}.changes WHERE conversation = ?1 AND seq = ?2
)
"""
_MADE_AT = """
SELECT created_ms FROM {side}.messages WHERE conversation = ?1 AND seq = ?2
UNION ALL SELECT created_ms FROM {side}.changes WHERE conversation = ?1 AND seq = ?2
"""
_BEYOND = """
SELECT
    (SELECT count(*) FROM main.messages WHERE conversation = ?1 AND seq > ?2),
    (SELECT count(*) FROM main.changes WHERE conversation = ?1 AND seq > ?2),
    (SELECT count(*) FROM main.messages
     WHERE conversation = ?1 AND seq <= ?2 AND deleted_ms IS NOT NULL AND changed_seq > ?2)
"""
_NEEDED = {"conversations", "messages", "changes", "generations"}


@dataclass(frozen=True, kw_only=True)
class LostConversation:
    """What one conversation loses. Times are Unix milliseconds; `copied_*` is None where the copy has none of it."""

    conversation_id: str
    title: str | None
    messages: int
    changes: int
    deletions_undone: int
    last_seq: int
    last_ms: int | None
    copied_last_seq: int
    copied_last_ms: int | None
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What one file loses. `live` is None where there is no file yet, or none that can be read: `unread` says why."""

    file: str
    copied: Standing
    live: Standing | None = None
    unread: str = ""
    conversations: tuple[LostConversation, ...] = ()

    @property
    def messages(self) -> int:
        """Count the messages that are lost."""
        return sum(each.messages for each in self.conversations)

    @property
    def changes(self) -> int:
        """Count the edits, deletions and other events that are lost."""
        return sum(each.changes for each in self.conversations)


def loss(live: Path, copy: Path, copied: Standing) -> Loss:
    """Compare the file that is served, which is only read, with a copy; never raises for what cannot be read."""
    if not live.exists():
        return Loss(file=live.name, copied=copied)
    try:
        found = standing(live, served=True)
        address = f"file:{quote(str(live))}?mode=ro"
        with closing(
            sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        ) as connection:
            connection.execute("ATTACH ? AS copy", (f"file:{quote(str(copy))}?mode=ro&immutable=1",))
            comparable = tables(connection) >= _NEEDED
            conversations = _compare(connection, live.stem) if comparable else ()
    except (sqlite3.Error, Refused) as error:
        # A file that is to be replaced may well be damaged: that is told, and stops nobody.
        return Loss(file=live.name, copied=copied, unread=str(error))
    return Loss(file=live.name, copied=copied, live=found, conversations=conversations)


def _compare(connection: Any, stem: str) -> tuple[LostConversation, ...]:
    # One read transaction: a server may be writing to the file meanwhile.
    connection.execute("BEGIN")
    try:
        changed = connection.execute(_CHANGED).fetchall()
        rows = (_lost(connection, stem, *row) for row in changed)
        return tuple(each for each in rows if each.messages or each.changes or each.whole)
    finally:
        connection.execute("ROLLBACK")


def _lost(
    connection: Any, stem: str, live: int, copied: int | None, name: bytes, title: str | None, *seqs: int
) -> LostConversation:
    last_seq, copied_last_seq = seqs
    common = 0 if copied is None else _common(connection, live, copied, min(last_seq, copied_last_seq))
    messages, changes, undone = connection.execute(_BEYOND, (live, common)).fetchone()
    return LostConversation(
        conversation_id=f"{stem.removeprefix('persona_')}:{uuid.UUID(bytes=name)}",
        title=title,
        messages=messages,
        changes=changes,
        deletions_undone=undone,
        last_seq=last_seq,
        last_ms=_made_ms(connection, "main", live, last_seq),
        copied_last_seq=copied_last_seq,
        copied_last_ms=None if copied is None else _made_ms(connection, "copy", copied, copied_last_seq),
        whole=copied is None,
    )


def _common(connection: Any, live: int, copied: int, high: int) -> int:
    """Return the highest seq whose row is the same in both: up to there both tell one history, and never beyond."""
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        if _is_same(connection, live, copied, middle):
            low = middle
        else:
            high = middle - 1
    return low


def _is_same(connection: Any, live: int, copied: int, seq: int) -> bool:
    here = connection.execute(_EPOCH_AT.format(side="main"), (live, seq)).fetchone()
    there = connection.execute(_EPOCH_AT.format(side="copy"), (copied, seq)).fetchone()
    return here is not None and here == there


def _made_ms(connection: Any, side: str, conversation: int, seq: int) -> int | None:
    found = connection.execute(_MADE_AT.format(side=side), (conversation, seq)).fetchone()
    return None if found is None else int(found[0])
