"""What a doctor asks of the replica: the binary, whether it answers, how old its newest part is, and its last drill."""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from rich.filesize import decimal

from chat.settings import BadSetting, Settings
from ops.drilling.record import PASS, History
from ops.examining.findings import Finding, error, good, warning
from ops.restore_place import place_of
from ops.restoring import gaps
from ops.restoring.litestream import Litestream, Ltx
from ops.restoring.locks import server_of
from ops.restoring.refusal import Refused
from ops.supervising.binary import BinaryRefused, find, version_of
from ops.supervising.binary import usable as usable_binary
from ops.supervising.target import Target, target_of

# A running server writes a heartbeat every few seconds, which is copied within a second or two.
NEWEST_AGE_S_MAX = 120.0
ASK_TIMEOUT_S = 10.0
DESCRIPTORS_PER_FILE = 6
DESCRIPTORS_SPARE = 32
MS = 1000


def findings(settings: Settings, databases: list[Path]) -> Iterator[Finding]:
    """Look at the copies; asks the replica, each file's with a time limit."""
    if not settings.replicates:
        yield warning(
            settings.data,
            "replica",
            "replication is off: there is one copy of everything",
            "Unset PALAVER_REPLICA for a folder, or set it to s3://bucket/path.",
        )
        return
    binary = _binary(settings)
    yield binary
    try:
        target = target_of(settings)
    except BadSetting as refused:
        yield error(settings.data, "replica", str(refused), "Correct the setting.")
        return
    yield from _guards(settings, target)
    if not databases:
        return
    yield from _disk(settings, target, databases)
    yield _descriptors(len(databases))
    yield _drill(settings)
    if binary.level != "error":
        for database in databases:
            yield _copy(settings, target, database)


def _binary(settings: Settings) -> Finding:
    try:
        usable = usable_binary(settings)
        version = ".".join(map(str, version_of(usable)))
    except BinaryRefused as refused:
        return error("litestream", "litestream", str(refused), "Do as it says; nothing is copied until then.")
    return good("litestream", "litestream", f"{version}, {find(settings)}")


def _guards(settings: Settings, target: Target) -> Iterator[Finding]:
    if not target.leased:
        yield warning(
            target.shown,
            "lease",
            f"no lease is possible on {target.scheme}: a second machine that copies to this place spoils all copies",
            "See yourself that only one server has this place; the first is gone for good before another starts.",
        )
    if target.scheme == "sftp" and not target.entry.host_key:
        yield warning(
            target.shown,
            "server's key",
            "nobody checks it: whoever stands in between can read the password and the copies",
            "Set PALAVER_REPLICA_OPTIONS to host-key='…', as `ssh-keyscan` shows it and its owner confirms.",
        )


def _disk(settings: Settings, target: Target, databases: list[Path]) -> Iterator[Finding]:
    if target.scheme != "file":
        return
    folder, data = Path(target.place), Path(settings.data).absolute()
    beside = folder if folder.exists() else data
    if os.stat(beside).st_dev != os.stat(data).st_dev:
        yield good(target.shown, "replica's disk", "is another one than the databases'")
        return
    yield warning(
        target.shown,
        "replica's disk",
        "is that of the databases: it survives a mistake, and not the disk",
        "Set PALAVER_REPLICA to a folder on another disk, or to s3://bucket/path.",
    )
    # A new whole copy of each file is made before the old ones go.
    needed = sum(_size(database) + _size(Path(f"{database}-wal")) for database in databases)
    free = shutil.disk_usage(beside).free
    if free < needed:
        yield warning(
            target.shown,
            "replica's room",
            f"{decimal(free)} are free, and the next whole copy may need {decimal(needed)}",
            "Make room, shorten PALAVER_REPLICA_RETENTION_H, or move the replica to another disk.",
        )


def _descriptors(files: int) -> Finding:
    wanted = files * DESCRIPTORS_PER_FILE + DESCRIPTORS_SPARE
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    text = f"litestream opens about {wanted} for {files} files"
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return warning(
            "litestream",
            "litestream's descriptors",
            f"{text}, and the limit is {hard}",
            f"Raise it: ulimit -Hn {wanted}, or LimitNOFILE= in a unit.",
        )
    return good("litestream", "litestream's descriptors", text)


def _drill(settings: Settings) -> Finding:
    history = History(Path(settings.data).absolute())
    drills = history.drills()
    if not drills:
        do = "The server makes the first within a day; `palaver drill` makes it now."
        return warning(str(history.file), "drill", "nobody has proven yet that a restore works", do)
    newest, verified_ms = drills[-1], history.last_verified_ms()
    age_h = (time.time() - verified_ms / MS) / 3600
    if newest.outcome != PASS:
        return warning(
            str(history.file),
            "drill",
            f"the last one: {newest.outcome}; the last that passed: "
            + (f"{age_h:.0f} h ago" if verified_ms else "never"),
            "`palaver drill --history` says why; mend that, and run `palaver drill`.",
        )
    if settings.drill_age_h_max and age_h > settings.drill_age_h_max:
        return warning(
            str(history.file),
            "drill",
            f"the last was {age_h:.0f} h ago",
            "Run `palaver drill`; see the server's log.",
        )
    return good(str(history.file), "drill", f"passed {age_h:.0f} h ago")


def _copy(settings: Settings, target: Target, database: Path) -> Finding:
    """Ask for the parts of one file's replica."""
    subject = target.url_of(database.stem) if target.scheme == "file" else f"{target.shown}/{database.stem}"
    try:
        files = Litestream(place_of(settings), database.stem, ASK_TIMEOUT_S).files()
    except Refused as refused:
        return warning(subject, "replica", str(refused), "Mend what it says; the chat goes on meanwhile.")
    if not files:
        return warning(
            subject,
            "replica",
            f"there is no copy of {database.name}",
            "A running server makes one; see its log.",
        )
    return _standing(subject, database, files)


def _standing(subject: str, database: Path, files: list[Ltx]) -> Finding:
    newest_ms = max(file.at_ms for file in files)
    if max((file.last for file in gaps.reachable(files)), default=0) < max(file.last for file in files):
        return error(
            subject,
            "replica",
            "parts are missing: what came after the hole cannot be restored",
            f"Make a `palaver backup` now, then `palaver replicate --anew {database.stem}`; see docs/how-to/alarms.md.",
        )
    age_s = time.time() - newest_ms / MS
    size = sum(file.size_bytes for file in files)
    text = f"{len(files)} parts, {decimal(size)}, the newest {max(age_s, 0):.0f} s old"
    if server_of(database) is not None and age_s > NEWEST_AGE_S_MAX:
        do = "`palaver status` and /readyz say what the server knows; its log says why."
        return warning(subject, "replica", f"{text}, and a server is running", do)
    return good(subject, "replica", text)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
