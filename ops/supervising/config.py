"""Litestream's configuration, written from settings; JSON, which is YAML too.

Litestream ignores a key that it does not know. So every key is a field of a struct here, and is held against the list
of those that the version we ask for reads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from chat.settings import Settings
from ops.supervising.target import PASSWORD, Entry, Target

PRIVATE = 0o600
# The first is how soon pieces are merged: until then each sync pays for those that lie beside the file (spent.py).
LEVELS = ("10s", "5m", "1h")
# Its default, 15 s, is most of what an idle database costs in requests.
FINE_CHECK_INTERVAL = "5m"
VALIDATION_INTERVAL = "1h"
SHUTDOWN_SYNC_TIMEOUT_S = 10
# Beyond so many pages Litestream truncates the WAL by force, and one long reader would then stop every writer. 10 GB.
TRUNCATE_PAGES = 2_500_000

# What the supervisor listens for is among it; what of it is shown, log.py decides.
LOG_LEVEL = "info"

_KNOWN = {
    "": frozenset(
        {
            "socket",
            "logging",
            "levels",
            "snapshot",
            "l0-retention",
            "l0-retention-check-interval",
            "validation",
            "verify-compaction",
            "shutdown-sync-timeout",
            "dbs",
        }
    ),
    "socket": frozenset({"enabled", "path", "permissions"}),
    "logging": frozenset({"level", "type", "stderr"}),
    "levels": frozenset({"interval"}),
    "snapshot": frozenset({"interval", "retention"}),
    "validation": frozenset({"interval"}),
    "dbs": frozenset({"path", "monitor-interval", "truncate-page-n", "replica"}),
    "replica": frozenset(
        {
            "type",
            "path",
            "url",
            "endpoint",
            "region",
            "force-path-style",
            "username",
            "password",
            "webdav-password",
            "account-name",
            "key-path",
            "host-key",
            "creds",
            "client-cert",
            "client-key",
            "auto-recover",
            "sync-interval",
        }
    ),
}


class UnknownKey(Exception):
    """The configuration would hold a key that Litestream ignores without a word."""


class _Socket(msgspec.Struct, frozen=True):
    path: str
    enabled: bool = True
    permissions: int = PRIVATE


class _Logging(msgspec.Struct, frozen=True):
    level: str
    type: str = "json"
    stderr: bool = True


class _Every(msgspec.Struct, frozen=True):
    interval: str


class _Snapshot(msgspec.Struct, frozen=True):
    interval: str
    retention: str


class _Database(msgspec.Struct, frozen=True, rename="kebab"):
    path: str
    monitor_interval: str
    replica: Entry
    truncate_page_n: int = TRUNCATE_PAGES


class _Config(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, rename="kebab"):
    socket: _Socket | None = None
    logging: _Logging
    levels: tuple[_Every, ...]
    snapshot: _Snapshot
    l0_retention: str
    l0_retention_check_interval: str
    validation: _Every
    verify_compaction: bool
    shutdown_sync_timeout: str
    dbs: tuple[_Database, ...]


def render(settings: Settings, target: Target, files: Sequence[Path], socket: Path | None) -> bytes:
    """Write the configuration for `files`; without `socket` it is for one run that ends by itself.

    No credential stands in it: where a password is needed there is the name of a variable.
    """
    config = _Config(
        socket=None if socket is None else _Socket(str(socket)),
        logging=_Logging(LOG_LEVEL),
        levels=tuple(_Every(interval) for interval in LEVELS),
        snapshot=_Snapshot(f"{settings.replica_snapshot_h}h", f"{settings.replica_retention_h}h"),
        l0_retention=f"{settings.replica_fine_m}m",
        l0_retention_check_interval=FINE_CHECK_INTERVAL,
        validation=_Every(VALIDATION_INTERVAL),
        verify_compaction=True,
        shutdown_sync_timeout=f"{SHUTDOWN_SYNC_TIMEOUT_S}s",
        dbs=tuple(_database(settings, target, file) for file in files),
    )
    check(msgspec.to_builtins(config))
    text = msgspec.json.format(msgspec.json.encode(config)).decode()
    # A dollar sign begins a variable for Litestream wherever it stands; only the password's is meant so.
    escaped, variable = text.replace("$", "\\u0024"), f"{{{PASSWORD}}}"
    return escaped.replace(f'"\\u0024{variable}"', f'"${variable}"').encode()


def write(path: Path, config: bytes) -> None:
    """Put a configuration in place at once, readable for its owner alone."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(config)
    fresh.replace(path)


def check(config: Mapping[str, object], place: str = "") -> None:
    """Hold the keys against those that Litestream reads there; raises UnknownKey for any other."""
    unknown = sorted(config.keys() - _KNOWN[place])
    if unknown:
        raise UnknownKey(f"Litestream knows no {', '.join(unknown)} in {place or 'its configuration'}.")
    for key, value in config.items():
        for below in _mappings(value):
            check(below, key)


def _database(settings: Settings, target: Target, file: Path) -> _Database:
    interval = f"{settings.replica_sync_s:g}s"
    entry = msgspec.structs.replace(target.of(file.stem), sync_interval=interval, auto_recover=False)
    return _Database(str(file), interval, entry)


def _mappings(value: object) -> Iterable[Mapping[str, object]]:
    entries = value if isinstance(value, (list, tuple)) else [value]
    return [entry for entry in entries if isinstance(entry, dict)]
