"""The place of a restore, as a server's settings say it; for commands and for the server itself."""

from __future__ import annotations

from pathlib import Path

from chat.settings import Settings
from ops.restoring.place import Place


def place_of(settings: Settings) -> Place:
    """Return the data folder and its replica."""
    return Place(
        data=Path(settings.data).absolute(),
        replica=settings.replica,
        endpoint=settings.replica_endpoint,
        region=settings.replica_region,
        access_key_id=settings.replica_access_key_id,
        secret_access_key=settings.replica_secret_access_key,
        path_style=settings.replica_path_style,
        environment=settings.replica_environment,
        options=settings.replica_options,
        litestream=settings.litestream,
        snapshot_h=settings.replica_snapshot_h,
        retention_h=settings.replica_retention_h,
    )
