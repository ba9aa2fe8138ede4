"""One reader's state on disk: a folder with a journal, which grows until it is written anew, and a lock.

A record is one line of JSON. What is durable was fsynced; a last line without its end was never acted
upon and is passed over, and after any other unreadable line a reload is due, which is always safe.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec.structs import replace

from ops.tail.ending import Ending, ExitCode
from ops.tail.records import Bookmark, Draft, Owner, Record, Rejected, Settled

JOURNAL_BYTES_MAX = 1024 * 1024
"""The journal is written anew when it has grown by this much."""

NO_FILE = -1
OWNER_ONLY = 0o600
FOLDER_OWNER_ONLY = 0o700

_RECORDS = msgspec.json.Decoder(Record)


class State:
    """The bookmark and the drafts of `owner` in `folder`, held by this process alone until it is closed.

    Raises Ending where another process holds the folder, where it is another owner's, or where it cannot
    be used.
    """

    def __init__(self, folder: Path, owner: Owner) -> None:
        self.bookmark = Bookmark()
        self._folder = folder
        self._owner: Owner | None = None
        self._drafts: dict[str, Draft] = {}
        self._journal = NO_FILE
        try:
            _make(folder)
            with ExitStack() as files:
                self._hold(files)
                self._read()
                self._check_owner(owner)
                self._write_anew()
                self._files = files.pop_all()
        except OSError as error:
            raise _unusable(folder, error) from error

    @property
    def drafts(self) -> tuple[Draft, ...]:
        """Return the drafts that are neither acked nor refused, in their order."""
        return tuple(self._drafts.values())

    def keep(self, records: Iterable[Record], *, durable: bool) -> None:
        """Append records; with `durable` they are on the disk when this returns. Raises Ending on failure."""
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        try:
            _write(self._journal, lines, durable=durable)
            for line in lines.splitlines():
                self._apply(_RECORDS.decode(line))
            self._grown_bytes += len(lines)
            if self._grown_bytes > JOURNAL_BYTES_MAX:
                self._write_anew()
        except OSError as error:
            raise _unusable(self._folder, error) from error

    def reject(self, rejected: Rejected) -> Path:
        """Put what the server will never take into a file of its own, and return where that is."""
        path = self._folder / "rejected.jsonl"
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY)
            try:
                _write(file, msgspec.json.encode(rejected) + b"\n", durable=True)
            finally:
                os.close(file)
        except OSError as error:
            raise _unusable(self._folder, error) from error
        return path

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._journal)
        self._files.close()

    def _hold(self, files: ExitStack) -> None:
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, OWNER_ONLY)
        files.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            raise Ending(
                ExitCode.STATE,
                f"Another tail (pid {pid}) uses {self._folder}: end that one, or give this one "
                "a folder of its own with --state.",
            ) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)

    def _read(self) -> None:
        try:
            journal = (self._folder / "journal.jsonl").read_bytes()
        except FileNotFoundError:
            return
        whole, _, _ = journal.rpartition(b"\n")
        damaged = False
        for line in whole.splitlines():
            try:
                self._apply(_RECORDS.decode(line))
            except msgspec.DecodeError:
                damaged = True
        if damaged and self._owner is None:
            raise Ending(
                ExitCode.STATE,
                f"{self._folder / 'journal.jsonl'} is damaged and does not say whose it is: move it away; "
                "the conversation is then loaded anew.",
            )
        if damaged:
            self.bookmark = replace(self.bookmark, reload_due=True)

    def _apply(self, record: Record) -> None:
        match record:
            case Owner():
                self._owner = record
            case Bookmark():
                self.bookmark = record
            case Draft():
                self._drafts[record.client_message_id] = record
            case Settled():
                self._drafts.pop(record.client_message_id, None)

    def _check_owner(self, owner: Owner) -> None:
        found = self._owner or owner
        if found != owner:
            raise Ending(
                ExitCode.STATE,
                f"{self._folder} belongs to {found.user} in {found.conversation}: "
                "choose another folder with --state.",
            )
        self._owner = owner

    def _write_anew(self) -> None:
        """Write a journal of what counts today, put it in the old one's place, and keep it open for more."""
        assert self._owner is not None
        fresh = self._folder / "journal.new"
        lines = b"".join(
            msgspec.json.encode(record) + b"\n" for record in (self._owner, self.bookmark, *self.drafts)
        )
        outgrown = self._journal
        self._journal = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, OWNER_ONLY)
        if outgrown != NO_FILE:
            os.close(outgrown)
        _write(self._journal, lines, durable=True)
        fresh.replace(self._folder / "journal.jsonl")
        _sync_folder(self._folder)
        self._grown_bytes = 0


def _make(folder: Path) -> None:
    """Make a folder and those above it that are missing, each durable before the next."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=FOLDER_OWNER_ONLY)
        _sync_folder(folder.parent)


def _write(file: int, data: bytes, *, durable: bool) -> None:
    while data:
        data = data[os.write(file, data) :]
    if durable:
        os.fsync(file)


def _sync_folder(folder: Path) -> None:
    # A rename is durable only when its folder is.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(folder: Path, error: OSError) -> Ending:
    return Ending(
        ExitCode.STATE,
        f"The state in {folder} cannot be kept ({error.strerror}): make room or mend the permissions, "
        "or choose another folder with --state.",
    )
