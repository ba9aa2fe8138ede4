"""The place where a server is to work: folder, files, file system, disk, clock and SQLite, seen from outside.

No database is opened here: where one is served, opening and closing its file would drop SQLite's locks.
"""

from __future__ import annotations

import os
import resource
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from chat.auth import SECRET_FILE
from chat.settings import Settings
from ops.examining.findings import Finding, error, good, warning
from storage.engine import SQLiteTooOld, assert_version, sqlite3

DISK_FREE_BYTES_MIN = 256 * 1024 * 1024
DESCRIPTORS_SPARE = 256
# 2026-01-01 UTC. Before this program was written it cannot run: such a clock is wrong.
CLOCK_MIN_S = 1_767_225_600
# WAL needs memory that all processes share, which these do not give; some of them lose locks as well.
NETWORK_FILE_SYSTEMS = frozenset(
    {
        "9p",
        "afs",
        "ceph",
        "cifs",
        "fuse.glusterfs",
        "fuse.s3fs",
        "fuse.sshfs",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
    }
)
MOUNTS = Path("/proc/self/mounts")


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at everything that a server needs before it opens a database."""
    yield sqlite()
    yield clock(time.time())
    yield descriptors(settings.connections_max)
    folder = Path(settings.data).absolute()
    standing = data_folder(folder)
    yield standing
    if standing.level == "error" or not folder.exists():
        return
    yield disk(folder)
    yield file_system(folder)
    yield from secret(folder / SECRET_FILE)
    for database in databases(folder):
        yield database_file(database)


def databases(folder: Path) -> list[Path]:
    """Return the database files of a data folder, in order."""
    return sorted(folder.glob("*.db"))


def sqlite() -> Finding:
    """Look at SQLite's version."""
    try:
        assert_version()
    except SQLiteTooOld as too_old:
        return error("SQLite", "version", str(too_old), "Install a fixed SQLite as said, and start again.")
    return good("SQLite", "version", sqlite3.sqlite_version)


def clock(now_s: float) -> Finding:
    """Look at the time of day: tokens and the times of messages depend on it."""
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_s))
    if now_s < CLOCK_MIN_S:
        return warning("clock", "time", f"it is {text}, which cannot be", "Set the clock, best by NTP.")
    return good("clock", "time", text)


def descriptors(connections_max: int) -> Finding:
    """Look at how many sockets this process may open; a server raises its soft limit to the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = connections_max + DESCRIPTORS_SPARE
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return warning(
            "process",
            "descriptors",
            f"the limit of open files is {hard}, which is not enough for {connections_max} connections",
            f"Raise it (ulimit -Hn {wanted}, or LimitNOFILE= in a unit), or lower PALAVER_CONNECTIONS_MAX.",
        )
    return good("process", "descriptors", "no limit" if hard == resource.RLIM_INFINITY else str(hard))


def data_folder(folder: Path) -> Finding:
    """Look at the data folder: that it is one, that this user can write there, and that not everybody can."""
    subject = str(folder)
    if not folder.exists():
        return warning(subject, "folder", "is not there", "`palaver serve` makes it; or set PALAVER_DATA.")
    if not folder.is_dir():
        return error(
            subject, "folder", "is not a folder", "Move the file away, or set PALAVER_DATA to a folder."
        )
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return error(
            subject, "folder", f"is not writable for {_me()}", f"chown {_me()} {subject}, and chmod u+rwx."
        )
    if folder.stat().st_mode & stat.S_IWOTH:
        return error(subject, "folder", "is writable for everybody on this machine", f"chmod o-w {subject}")
    return good(subject, "folder", "writable, and not for others")


def disk(folder: Path) -> Finding:
    """Look at the room that is left."""
    free = shutil.disk_usage(folder).free
    text = f"{free // 2**20} MiB are free"
    if free < DISK_FREE_BYTES_MIN:
        return warning(str(folder), "disk", text, "Make room: when the disk is full, nothing can be sent.")
    return good(str(folder), "disk", text)


def file_system(folder: Path, mounts: Path = MOUNTS) -> Finding:
    """Look at the kind of file system; where the system does not tell, that is said."""
    kind = _file_system_of(folder.resolve(), mounts)
    if kind in NETWORK_FILE_SYSTEMS:
        return warning(
            str(folder),
            "file system",
            f"is on {kind}, over a network: SQLite's WAL can be damaged there",
            "Move the data to a local disk, and set PALAVER_DATA.",
        )
    return good(str(folder), "file system", kind or "unknown")


def secret(file: Path) -> Iterator[Finding]:
    """Look at who may read the signing secret: whoever can, can speak for every user."""
    if not file.exists():
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if not os.access(file, os.R_OK):
        yield error(str(file), "secret", f"is not readable for {_me()}", f"chown {_me()} {file}")
    elif mode & stat.S_IROTH:
        yield error(str(file), "secret", "is readable for everybody on this machine", f"chmod 600 {file}")
    elif mode & (stat.S_IRGRP | stat.S_IWGRP | stat.S_IWOTH):
        yield warning(str(file), "secret", f"is open to others (mode {mode:03o})", f"chmod 600 {file}")
    else:
        yield good(str(file), "secret", "readable for its owner alone")


def database_file(file: Path) -> Finding:
    """Look at a database file from outside."""
    if not file.is_file():
        return error(str(file), "file", "is not a file", "Move it away, or restore the database.")
    if not os.access(file, os.R_OK | os.W_OK):
        return error(
            str(file),
            "file",
            f"is not readable and writable for {_me()}",
            f"chown {_me()} {file}, and chmod 600.",
        )
    if file.stat().st_mode & stat.S_IWOTH:
        return error(str(file), "file", "is writable for everybody on this machine", f"chmod 600 {file}")
    if file.stat().st_mode & stat.S_IROTH and file.parent.stat().st_mode & stat.S_IXOTH:
        return warning(str(file), "file", "is readable for everybody on this machine", f"chmod 600 {file}*")
    return good(str(file), "file", f"{file.stat().st_size} bytes")


def _file_system_of(folder: Path, mounts: Path) -> str:
    """Return the type of the mount that `folder` is on, empty where the system does not list its mounts."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    # Of two mounts on one point the later hides the earlier, so the last of the longest counts.
    found = ("", "")
    for fields in (line.split(" ") for line in lines):
        point = fields[1].replace("\\040", " ")
        if folder.is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, fields[2])
    return found[1]


def _me() -> str:
    return f"user {os.geteuid()}"
