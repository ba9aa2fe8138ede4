"""Owner: a command that root starts works as the user to whom the data folder belongs, and nobody else works there.

What root left in it, the server, which is another user, could neither read nor write.
"""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from collections.abc import Sequence
from pathlib import Path

from ops.restoring.refusal import Misused

ROOT = 0


def become(data: Path, command: Sequence[str]) -> str:
    """Go on as the owner of a data folder, for good, and say so in a sentence; empty where that is so already.

    A folder that is not there yet has no owner. `command` is what was typed. Raises Misused, with what to type, where
    this is another user and not root, or where root may not become another.
    """
    try:
        found = data.stat()
    except OSError:
        return ""
    me = os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid == me or _is_lent(data, found, me):
        return ""
    name = _name(found.st_uid)
    typed = f"sudo -E -u {shlex.quote(name)} {shlex.join(command)}"
    if me != ROOT:
        raise Misused(
            f"{data} belongs to {name}, and this is {_name(me)}: with the files of two users in it the server stops. "
            f"Type: {typed}"
        )
    try:
        _become(found)
    except OSError as error:
        raise Misused(
            f"{data} belongs to {name}, and this root may not become {name} ({error.strerror}). Type: {typed}"
        ) from error
    return f"{data} belongs to {name}: this goes on as {name}, not as root."


def _is_lent(data: Path, found: os.stat_result, me: int) -> bool:
    """Tell whether root lends a folder to others, as volumes of containers are lent to a group."""
    return found.st_uid == ROOT and me != ROOT and os.access(data, os.W_OK | os.X_OK)


def _become(found: os.stat_result) -> None:
    # The groups first: once the user is another, none can be changed.
    try:
        entry = pwd.getpwuid(found.st_uid)
    except KeyError:
        os.setgroups([])
        os.setgid(found.st_gid)
    else:
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
    os.setuid(found.st_uid)


def _name(uid: int) -> str:
    """Name a user as sudo takes it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
