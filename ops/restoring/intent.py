"""The intent: a file that says, from before the first rename of a swap until after the last, what is being done."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.restoring import disk, moment
from ops.restoring.place import RESTORES
from ops.restoring.refusal import Refused

NAME = "restore-intent.json"
REPLACED = "replaced-"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Intent:
    """Copies in `fresh` take the place of `files`, and what was there goes to `old`; both are below the data folder.

    `replaced` names those of the files that were there before.
    """

    fresh: str
    old: str
    files: tuple[str, ...]
    replaced: tuple[str, ...]
    began_ms: int
    version: int = VERSION


def begin(data: Path, folder: str, files: tuple[str, ...]) -> Intent:
    """Intend to put the marked copies in a folder of `restores` in place; lasting, and from then on it will be done."""
    began_ms = moment.now_ms()
    old = f"{REPLACED}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(began_ms // moment.MS))}-{secrets.token_hex(3)}"
    intent = Intent(
        fresh=f"{RESTORES}/{folder}",
        old=f"{RESTORES}/{old}",
        files=files,
        replaced=tuple(file for file in files if (data / file).exists()),
        began_ms=began_ms,
    )
    write(data, intent)
    return intent


def write(data: Path, intent: Intent) -> None:
    """Write the intent lastingly; raises OSError, and then there is none.

    One that stood there all the same would be carried out at the next start, over all that is written until then.
    """
    try:
        disk.write(data / NAME, json.dumps(asdict(intent), indent=2).encode() + b"\n")
    except OSError:
        (data / NAME).unlink(missing_ok=True)
        raise


def read(data: Path) -> Intent | None:
    """Return the intent of a swap that is not done; raises Refused for one that cannot be read."""
    path = data / NAME
    try:
        found = json.loads(path.read_bytes())
        if found["version"] != VERSION:
            raise ValueError(f"its version is {found['version']}, and this program knows {VERSION}")
        return Intent(**{**found, "files": tuple(found["files"]), "replaced": tuple(found["replaced"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(
            f"{path} says that a restore is under way, and cannot be read ({error}). Look into {data}/restores for the "
            "files that were there before and the copies; put those that shall be served in place, and remove the "
            "intent."
        ) from error


def forget(data: Path) -> None:
    """Take the intent away: the swap is done, or undone."""
    (data / NAME).unlink(missing_ok=True)
    disk.flush_folder(data)
