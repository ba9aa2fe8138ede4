"""The supervisor's own folder in the data folder, and where its socket is."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from chat.settings import Settings

FOLDER = "litestream"
FOLDER_MODE = 0o700
# sockaddr_un holds 108 bytes on Linux and 104 on macOS, with a zero at the end.
SOCKET_PATH_BYTES_MAX = 100
WHOLE = "whole-"


class LitestreamPlace:
    """The paths of one data folder. `config` is written anew at each start of the child; `socket` is in it.

    `files` notes the files' identities; whoever writes a reason into `wish` asks for a fresh process, and by
    `want_whole` for a whole new copy of a file.
    """

    def __init__(self, settings: Settings) -> None:
        self.folder = Path(settings.data).absolute() / FOLDER
        self.config = self.folder / "config.json"
        self.files = self.folder / "files.json"
        self.wish = self.folder / "restart"
        self.told = self.folder / "told.json"
        self.teller = self.folder / "told.lock"
        self.socket = _socket_of(self.folder)

    def make(self) -> None:
        """Make the folders, for their owner alone; raises OSError, also for a folder that somebody else made."""
        self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self.socket.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        found = self.socket.parent.lstat()
        if self.socket.parent != self.folder and (
            not stat.S_ISDIR(found.st_mode)
            or found.st_uid != os.geteuid()
            or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        ):
            raise PermissionError(
                f"{self.socket.parent} is not ours alone. Remove it, or set PALAVER_DATA to a shorter path."
            )

    def want_whole(self, file: str) -> None:
        """Ask whoever supervises, or will, for a whole new copy of a database file; raises OSError."""
        self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        (self.folder / f"{WHOLE}{file}").touch(mode=0o600)

    def wanted_whole(self) -> dict[str, Path]:
        """Return the files that a whole new copy is wanted of, each with what to take away when it is begun."""
        return {path.name.removeprefix(WHOLE): path for path in self.folder.glob(f"{WHOLE}*")}

    def forget_copies(self) -> None:
        """Take away what Litestream itself noted of its copies, while none runs; raises OSError.

        Its next start looks at the replica, and copies each file whole. With notes about another place it would go on
        from there instead, and what it wrote could not be restored.
        """
        for notes in self.folder.parent.glob(".*.db-litestream"):
            shutil.rmtree(notes)

    def once(self, stem: str) -> Path:
        """Return where the configuration of one whole copy of a file is written."""
        return self.folder / f"once-{stem}.json"


def _socket_of(folder: Path) -> Path:
    """Return a path that fits into a socket's address: in the folder, or else in the system's for temporary files."""
    path = folder / "socket"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        return path
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"palaver-{os.geteuid()}" / f"{name}.sock"
