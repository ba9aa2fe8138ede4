"""The ledger where none stands: who was removed and what was erased is read from the newest copy, before a step back.

On the machine that was lost it lay beside the databases, and it is on no replica. But the newest copy knows each
removal and erasure as an event. The records are those of storage/ledger.py, which this cannot import.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ops.restoring import beside, disk
from ops.restoring import plan as planning
from ops.restoring.engine import sqlite3
from ops.restoring.litestream import ASK_TIMEOUT_S
from ops.restoring.mark import SKIP
from ops.restoring.place import Place
from ops.restoring.plan import Plan
from ops.restoring.progress import Tell, nobody
from ops.restoring.refusal import Refused
from ops.restoring.standing import tables

LEDGER_FILE = "ledger.jsonl"
NEWEST = "newest"
OWNER_ONLY = 0o600
FOLDER_MODE = 0o700
REMOVED = "member.left"
ERASED = "message.deleted"

_NEEDED = {"conversations", "messages", "changes", "generations", "users"}
# As `since` in sql/ledger.sql, over all generations: a test holds one against the other.
_EVENTS = """
SELECT
    c.uuid, h.seq, g.epoch, h.kind, h.message_seq,
    (SELECT epoch FROM generations WHERE number = m.generation) AS message_epoch,
    h.payload ->> 'user' AS user, a.id AS actor, h.created_ms
FROM changes AS h
JOIN conversations AS c ON c.number = h.conversation
JOIN generations AS g ON g.number = h.generation
JOIN users AS a ON a.number = h.actor
LEFT JOIN messages AS m ON m.conversation = h.conversation AND m.seq = h.message_seq
WHERE h.kind IN ('message.deleted', 'message.restored', 'member.joined', 'member.left')
ORDER BY h.conversation, h.seq
"""

Record = dict[str, object]
Key = tuple[object, object, object]


def lacking(
    place: Place,
    plans: Sequence[Plan],
    ledger: str,
    *,
    tell: Tell = nobody,
    ask_timeout_s: float = ASK_TIMEOUT_S,
) -> tuple[Plan, ...]:
    """Plan the newest copies that have to be fetched for the ledger before files go back to the moments of `plans`.

    Nothing where the ledger is waived, for a file that stands here with its ledger, and for one that goes back to its
    newest copy. A ledger that was brought to a file that is gone may be an old one, and is completed. Raises Refused
    where the newest copy cannot be had.
    """
    if ledger == SKIP:
        return ()
    agreed = _agreed(place.data / LEDGER_FILE)
    wanting = [plan for plan in plans if plan.at_ms is not None and _wants(place, plan.file, agreed)]
    try:
        newest = beside.plans_of(
            place, [plan.file for plan in wanting], None, tell=tell, ask_timeout_s=ask_timeout_s
        )
    except Refused as refused:
        raise Refused(
            f"Who was removed since, and what was deleted, cannot be told: no ledger is here, and the newest copy does "
            f"not say it. {refused} --ledger skip restores without, and they come back."
        ) from refused
    found = zip(wanting, newest, strict=True)
    return tuple(last for wanted, last in found if last.last > wanted.last)


def derive(place: Place, wanted: Sequence[Plan], folder: Path, *, tell: Tell = nobody) -> list[Record]:
    """Fetch the newest copies, read the events of the ledger in them, and take the copies away again."""
    if not wanted:
        return []
    planning.refuse_without_room(place, wanted)
    home = folder / NEWEST
    shutil.rmtree(home, ignore_errors=True)  # of a killed run, whose newest may not be today's
    home.mkdir(mode=FOLDER_MODE)
    try:
        copies = beside.copies_of(place, wanted, home, tell=tell)
        return [record for copy in copies for record in events(copy.path, copy.file)]
    finally:
        shutil.rmtree(home, ignore_errors=True)


def beyond(records: Sequence[Record], copies: Sequence[tuple[Path, str]]) -> list[Record]:
    """Return those of the records that do not stand in the copies, each given with the name of its file."""
    if not records:
        return []
    standing = {_key(record) for path, file in copies for record in events(path, file)}
    return [record for record in records if _key(record) not in standing]


def cost(wanted: Sequence[Plan]) -> str:
    """Say in a sentence what a restore has to fetch for the ledger; empty where it is nothing."""
    if not wanted:
        return ""
    mib = sum(plan.size_bytes for plan in wanted) / planning.MIB
    return (
        f"No ledger is here for {_names(wanted)}: a restore in place fetches the newest copy, too ({mib:.1f} MiB), to "
        "learn who was removed and what was deleted since. --ledger skip waives that."
    )


def said(wanted: Sequence[Plan], records: Sequence[Record]) -> str:
    """Say in a sentence what was fetched for the ledger, and what it said; empty where nothing was."""
    if not wanted:
        return ""
    removed = sum(record["kind"] == REMOVED for record in records)
    erased = sum(record["kind"] == ERASED for record in records)
    return (
        f"No ledger is here for {_names(wanted)}, so the newest copy was read, too: {removed} departures of members "
        f"and {erased} deletions came after that moment. They are applied again at the start, unless --ledger skip."
    )


def append(data: Path, records: Sequence[Record]) -> None:
    """Put records into the ledger, lastingly."""
    if not records:
        return
    lines = b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)
    with _locked(data / LEDGER_FILE) as descriptor:
        # A last line that a crash cut off must not take the first of ours with it.
        os.write(descriptor, b"\n")
        while lines:
            lines = lines[os.write(descriptor, lines) :]
        os.fsync(descriptor)
    disk.flush_folder(data)


def events(path: Path, file: str) -> list[Record]:
    """Read what a ledger says of all that happened in a copy; raises Refused where it cannot be read."""
    try:
        address = f"file:{quote(str(path))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            if not tables(connection) >= _NEEDED:
                return []
            persona = file.removesuffix(".db").removeprefix("persona_")
            return [_record(persona, *row) for row in connection.execute(_EVENTS)]
    except sqlite3.Error as error:
        raise Refused(f"{path} cannot be read: {error}.") from error


def _names(plans: Sequence[Plan]) -> str:
    return ", ".join(plan.file for plan in plans)


def _record(persona: str, name: bytes, *values: Any) -> Record:
    seq, epoch, kind, message_seq, message_epoch, user, actor, at_ms = values
    record = {
        "record": "event",
        "conversation_id": f"{persona}:{uuid.UUID(bytes=name)}",
        "seq": seq,
        "epoch": epoch,
        "kind": kind,
        "actor": actor,
        "at_ms": at_ms,
    }
    optional = {"user": user, "message_seq": message_seq, "message_epoch": message_epoch}
    return record | {name: value for name, value in optional.items() if value is not None}


def _key(record: Record) -> Key:
    return record["conversation_id"], record["seq"], record["epoch"]


def _wants(place: Place, file: str, agreed: set[object]) -> bool:
    return file not in agreed or not (place.data / file).exists()


def _agreed(path: Path) -> set[object]:
    """Name the files that the ledger was kept for."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}). Mend its permissions.") from error
    return {record["file"] for record in map(_decoded, lines) if record.get("record") == "opened"}


def _decoded(line: bytes) -> Record:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open the ledger to append to it, locked, as storage/ledger.py does: it may be exchanged for a shorter one."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, OWNER_ONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(os.stat(path), os.fstat(descriptor)):
                yield descriptor
                return
        finally:
            os.close(descriptor)
