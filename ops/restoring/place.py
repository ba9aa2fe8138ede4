"""Place: the data folder that is restored into, and where its replica is; read from PALAVER_… variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ops.restoring.refusal import Misused, Refused

PREFIX = "PALAVER_"
OFF = "off"
RESTORES = "restores"
MAIN = "main.db"

_FILE = re.compile(r"\A[a-z0-9][a-z0-9_-]{0,80}(\.db)?\Z")
_URL = re.compile(r"\A[a-z][a-z0-9+.-]*://")
# s3:/bucket and S3://bucket would be folders here, and something else to others who read the setting.
_MISTYPED = re.compile(r"\A(?![a-z][a-z0-9+.-]*://)([A-Za-z][A-Za-z0-9+.-]*):")


@dataclass(frozen=True, kw_only=True)
class Place:
    """The few settings that a restore needs; their names and defaults are those of the server.

    `found` are the databases that somebody who can list a target behind a URL has found there, None where nobody could;
    `used` tells that a server has worked with the target before.
    """

    data: Path
    replica: str = ""
    endpoint: str = ""
    region: str = ""
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    path_style: str = "auto"
    environment: str = field(default="", repr=False)
    options: str = ""
    litestream: str = ""
    snapshot_h: int = 6
    retention_h: int = 168
    restores_in: Path | None = None
    found: tuple[str, ...] | None = None
    used: bool = False

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Place:
        """Read the variables of a server's environment; raises Misused for a number that is none."""
        return cls(
            data=Path(variables.get(f"{PREFIX}DATA") or "./data").absolute(),
            replica=variables.get(f"{PREFIX}REPLICA", ""),
            endpoint=variables.get(f"{PREFIX}REPLICA_ENDPOINT", ""),
            region=variables.get(f"{PREFIX}REPLICA_REGION", ""),
            access_key_id=variables.get(f"{PREFIX}REPLICA_ACCESS_KEY_ID", ""),
            secret_access_key=variables.get(f"{PREFIX}REPLICA_SECRET_ACCESS_KEY", ""),
            path_style=variables.get(f"{PREFIX}REPLICA_PATH_STYLE", "auto"),
            environment=variables.get(f"{PREFIX}REPLICA_ENVIRONMENT", ""),
            options=variables.get(f"{PREFIX}REPLICA_OPTIONS", ""),
            litestream=variables.get(f"{PREFIX}LITESTREAM", ""),
            snapshot_h=_hours(variables, "REPLICA_SNAPSHOT_H", 6),
            retention_h=_hours(variables, "REPLICA_RETENTION_H", 168),
        )

    @property
    def target(self) -> str:
        """Return where the copies are: an absolute folder or a URL; raises Refused where replication is off.

        Raises Misused for what is neither.
        """
        if self.replica == OFF:
            raise Refused(
                "Replication is off (PALAVER_REPLICA=off), so there is nothing to restore from. Set PALAVER_REPLICA "
                "to the folder or URL where copies are, if there ever were any."
            )
        told = mistyped(self.replica)
        if told:
            raise Misused(told)
        if self.replica.startswith("file://"):
            return unquote(urlsplit(self.replica).path)
        if _URL.match(self.replica):
            return self.replica
        return str((self.data / "replica") if not self.replica else Path(self.replica).absolute())

    @property
    def target_folder(self) -> Path | None:
        """Return the folder of the copies, None where they are behind a URL."""
        return None if _URL.match(self.target) else Path(self.target)

    @property
    def restores(self) -> Path:
        """Return the folder where copies are restored beside: on the file system where they are wanted."""
        return (self.restores_in or self.data) / RESTORES


def mistyped(replica: str) -> str:
    """Say what to write where a target looks like a URL and is none; empty for folders and URLs.

    Nothing behind the scheme is shown: there may be a password in it.
    """
    found = _MISTYPED.match(replica)
    if found is None:
        return ""
    scheme = found[1]
    return (
        f"PALAVER_REPLICA begins with {scheme}: and is no URL. Write {scheme.lower()}://…, or ./{scheme}:… for a "
        "folder of that name."
    )


def file_name(given: str) -> str:
    """Return the database's file name for `main` or `main.db`; raises Misused for what can be none."""
    if not _FILE.match(given):
        raise Misused(
            f"--file {given!r}: write the name of a database in the data folder, as main or persona_luna."
        )
    return given if given.endswith(".db") else f"{given}.db"


def known_files(place: Place) -> list[str]:
    """Name every database that is in the data folder, was seen there before, or has copies on the target.

    Behind a URL those copies count that `found` names.
    """
    names = {path.name for path in place.data.glob("*.db")}
    names |= {path.name.removesuffix(".noted") for path in place.data.glob("*.db.noted")}
    folder = place.target_folder if place.replica != OFF else None
    if folder is not None:
        names |= {f"{path.parent.name}.db" for path in folder.glob("*/ltx")}
    names |= set(place.found or ())
    return sorted(filter(_FILE.match, names), key=lambda name: (name != MAIN, name))


def is_there(file: Path) -> bool:
    """Tell whether a database file holds one: SQLite takes an empty file for a new database, and so would a server."""
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


def unlisted(place: Place) -> str:
    """Say that other databases than main.db may have copies that nobody here knows of; empty where all are known."""
    if place.found is not None or place.replica == OFF or place.target_folder or is_there(place.data / MAIN):
        return ""
    return (
        f"{place.target.partition('?')[0]} cannot be listed from here, so only {MAIN} is looked for. If personas had "
        "files of their own, name each: `palaver restore --latest --in-place --file main --file persona_luna`."
    )


def _hours(variables: Mapping[str, str], name: str, default: int) -> int:
    text = variables.get(PREFIX + name, "")
    try:
        return int(text) if text else default
    except ValueError as error:
        raise Misused(f"{PREFIX}{name}={text!r} is no number of hours.") from error
