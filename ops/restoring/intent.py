"""The intent: a file that says, from before the first rename of a swap until after the last, what is being done."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.restoring import disk
from ops.restoring.refusal import Refused

NAME = "restore-intent.json"
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


def write(data: Path, intent: Intent) -> None:
    """Write the intent lastingly; from then on the swap will be done."""
    disk.write(data / NAME, json.dumps(asdict(intent), indent=2).encode() + b"\n")


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
