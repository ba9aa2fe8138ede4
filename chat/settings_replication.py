"""The settings of replication, restore and what keeps both honest; a part of Settings."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from chat.knob import FILE_BYTES_MAX, knob

OFF = "off"
"""The `replica` that copies nothing."""


class ReplicationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where copies go, how often, and how long anybody waits for them."""

    # Replication
    replica: Annotated[
        str,
        knob(
            "place",
            "Where every commit is copied to: a folder, or a URL that Litestream takes, as s3://bucket/path. "
            "Empty: the folder `replica` in the data folder. `off`: nowhere.",
        ),
    ] = ""
    replica_endpoint: Annotated[
        str,
        knob("URL", "The address of a store like S3, or of Azure's or OSS's elsewhere; empty: their own."),
    ] = ""
    replica_region: Annotated[str, knob("text", "The region of the bucket; empty: the store's default.")] = ""
    replica_access_key_id: Annotated[
        str, knob("text", "The key that opens the replica's bucket; of Azure, the account.", secret=True)
    ] = ""
    replica_secret_access_key: Annotated[
        str,
        knob(
            "text",
            "The secret of that key, or the password of the URL's user; given to Litestream in its environment alone.",
            secret=True,
        ),
    ] = ""
    litestream: Annotated[
        str, knob("file", "The litestream binary; empty: the one that was installed with Palaver.")
    ] = ""
    replica_sync_s: Annotated[
        float, knob("s", "How often what was committed is copied without being asked.", minimum=0.1)
    ] = 1.0
    replica_snapshot_h: Annotated[
        int, knob("h", "How often a whole copy of each file is made.", minimum=1)
    ] = 6
    replica_retention_h: Annotated[
        int,
        knob(
            "h",
            "How long copies are kept; any moment of this less one snapshot's time can be restored.",
            minimum=2,
        ),
    ] = 168
    replicated_timeout_s: Annotated[
        float,
        knob(
            "s",
            "How long a send that asked for it waits for the replica before it is answered as stored only.",
            minimum=0.1,
        ),
    ] = 5.0
    watermark_s: Annotated[
        float,
        knob(
            "s",
            "How often, while nobody waits for the replica, the server looks whether what was written is on it.",
            minimum=0.05,
        ),
    ] = 1.0
    replica_path_style: Annotated[
        Literal["auto", "yes", "no"],
        knob(
            "choice",
            "Whether the bucket stands in the path of S3 requests (yes) or in the host's name (no); auto: in the path "
            "wherever an endpoint is set.",
        ),
    ] = "auto"
    replica_environment: Annotated[
        str,
        knob(
            "list",
            "More variables for Litestream's environment, as NAME=value with blanks between; it inherits none of ours. "
            "For example GOOGLE_APPLICATION_CREDENTIALS=/etc/palaver/google.json, HTTPS_PROXY=…, SSL_CERT_FILE=….",
            secret=True,
        ),
    ] = ""
    replica_options: Annotated[
        str,
        knob(
            "list",
            "What else Litestream is told of the store, as NAME=value with blanks between. sftp: key-path, a private "
            "key's file, and host-key, the server's public key. nats: creds, client-cert, client-key, files. For "
            "example key-path=/etc/palaver/id_ed25519 host-key='ssh-ed25519 AAAA…'.",
        ),
    ] = ""
    replica_fine_m: Annotated[
        int,
        knob(
            "min",
            "How far back a moment can be restored to the second; older ones to ten seconds.",
            minimum=1,
        ),
    ] = 5
    replica_stop_s: Annotated[
        float,
        knob(
            "s",
            "How long the end of a server waits until what was written last is on the replica.",
            minimum=1.0,
        ),
    ] = 5.0
    replicate: Annotated[
        Literal["inside", "alongside"],
        knob(
            "choice",
            "inside: the server runs Litestream itself. alongside: `palaver replicate` does, in a process of its own, "
            "and the server asks that one.",
        ),
    ] = "inside"
    replica_probe_s: Annotated[
        float,
        knob(
            "s",
            "How often it is proven that copies arrive: a heartbeat is written, and must reach the replica.",
            minimum=1.0,
        ),
    ] = 15.0
    replica_check_h: Annotated[
        int,
        knob(
            "h",
            "How often the server looks whether pieces are missing on the replica; 0: never.",
            minimum=0,
        ),
    ] = 1
    wal_bytes_max: Annotated[
        int,
        knob(
            "bytes",
            "A WAL larger than this is told by /readyz; where replication is down, the server copies it back itself.",
            minimum=1024 * 1024,
            maximum=FILE_BYTES_MAX,
        ),
    ] = 256 * 1024 * 1024

    # Upkeep
    backups: Annotated[
        str,
        knob(
            "folder", "Where `palaver backup` puts backups; empty: the folder `backups` in the data folder."
        ),
    ] = ""
    backup_daily: Annotated[
        int,
        knob("days", "Of so many days the newest backup is kept; with the next two 0, all are.", minimum=0),
    ] = 7
    backup_weekly: Annotated[int, knob("weeks", "Of so many weeks the newest backup is kept.", minimum=0)] = 4
    backup_monthly: Annotated[
        int, knob("months", "Of so many months the newest backup is kept.", minimum=0)
    ] = 6
    optimize_h: Annotated[
        int,
        knob(
            "h",
            "How often the server lets SQLite look whether its plans still fit the data; 0: never.",
            minimum=0,
        ),
    ] = 6
    drill_interval_h: Annotated[
        int,
        knob(
            "h",
            "How often the server proves that its databases can be restored; 0: never, for those who run "
            "`palaver drill` by a timer.",
            minimum=0,
        ),
    ] = 24
    drill_age_h_max: Annotated[
        int,
        knob(
            "h",
            "/readyz is degraded when the last drill that passed is older than this; 0: never.",
            minimum=0,
        ),
    ] = 72

    @property
    def replicates(self) -> bool:
        """Tell whether anything is to be replicated."""
        return self.replica != OFF
