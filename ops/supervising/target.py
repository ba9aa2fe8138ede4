"""The target of replication: where copies go, what Litestream must know of it, and what it gets in its environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import msgspec

from chat.settings import BadSetting, Settings
from ops.restoring.place import mistyped
from ops.restoring.store import KEYS, PASSWORDS, extras, variables

FOLDER = "replica"
SCHEMES = ("s3", "gs", "abs", "oss", "sftp", "webdav", "webdavs", "nats", "file")
# Nothing here can write to the others but Litestream itself.
LEASED = ("s3", "gs", "abs", "webdav", "webdavs", "file")
SECRET_MIN = 4  # anything shorter stands in every other line
PASSWORD = "PALAVER_REPLICA_PASSWORD"  # noqa: S105 - the name of a variable


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="kebab"):
    """What Litestream's configuration says of one file's replica; the names are its own."""

    type: str = ""
    path: str = ""
    url: str = ""
    endpoint: str = ""
    region: str = ""
    force_path_style: bool | None = None
    username: str = ""
    password: str = ""
    webdav_password: str = ""
    account_name: str = ""
    key_path: str = ""
    host_key: str = ""
    creds: str = ""
    client_cert: str = ""
    client_key: str = ""
    auto_recover: bool | None = None
    sync_interval: str = ""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where copies go. `place` is an absolute folder or a URL without password; `environment` is the child's own."""

    scheme: str
    place: str
    entry: Entry
    environment: Mapping[str, str]
    secrets: tuple[str, ...]

    def of(self, stem: str) -> Entry:
        """Return the entry of the file whose name without `.db` is `stem`."""
        if self.scheme == "file":
            return msgspec.structs.replace(self.entry, type="file", path=str(Path(self.place) / stem))
        return msgspec.structs.replace(self.entry, url=self.url_of(stem))

    def url_of(self, stem: str) -> str:
        """Return the address of one file's replica, as Litestream's own commands take it; without credentials."""
        if self.scheme == "file":
            return Path(self.place, stem).as_uri()
        parts = urlsplit(self.place)
        # A NATS address ends with its bucket, which holds one database.
        path = f"{parts.path.rstrip('/')}{'-' if self.scheme == 'nats' else '/'}{stem}"
        return urlunsplit(parts._replace(path=path))

    @property
    def leased(self) -> bool:
        """Tell whether a lease can keep a second machine from writing to it."""
        return self.scheme in LEASED

    @property
    def shown(self) -> str:
        """Return the place for people's eyes: no user, no parameters."""
        if self.scheme == "file":
            return self.place
        parts = urlsplit(self.place)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def target_of(settings: Settings) -> Target:
    """Read the settings; raises BadSetting for a place that Litestream cannot write to. Not for `off`."""
    given = settings.replica
    told = mistyped(given)
    if told:
        raise BadSetting(told)
    if "://" not in given or given.startswith("./"):
        return _folder(settings, Path(given) if given else Path(settings.data) / FOLDER)
    parts = urlsplit(given)
    if parts.scheme not in SCHEMES:
        raise BadSetting(
            f"PALAVER_REPLICA={_without_password(parts)}: {parts.scheme}:// is not known. "
            f"Take a folder, or one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}."
        )
    if parts.scheme == "file":
        return _folder(settings, Path(unquote(parts.path)))
    _check(settings, parts)
    return Target(
        scheme=parts.scheme,
        place=given,
        entry=_entry(settings, parts),
        environment=_environment(settings, parts.scheme),
        secrets=_secrets(settings),
    )


def _folder(settings: Settings, folder: Path) -> Target:
    return Target(
        scheme="file",
        place=str(folder.absolute()),
        entry=Entry(),
        environment=_extra(settings),
        secrets=_secrets(settings),
    )


def _check(settings: Settings, parts: SplitResult) -> None:
    if parts.password:
        raise BadSetting(
            f"PALAVER_REPLICA={_without_password(parts)} carried a password, and addresses are shown and logged. "
            "Take it out, and put it in PALAVER_REPLICA_SECRET_ACCESS_KEY."
        )
    if not parts.hostname:
        raise BadSetting(f"PALAVER_REPLICA={settings.replica}: the bucket or host is missing after ://.")
    if parts.scheme == "sftp" and not parts.username:
        raise BadSetting(f"PALAVER_REPLICA={settings.replica}: say who, as in sftp://user@host/path.")
    if parts.scheme == "nats" and not parts.path.strip("/"):
        raise BadSetting(
            f"PALAVER_REPLICA={settings.replica}: say how the buckets' names begin, as in nats://host/chat for the "
            "bucket chat-main."
        )
    endpoint = settings.replica_endpoint
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise BadSetting(f"PALAVER_REPLICA_ENDPOINT={endpoint} must begin with https:// (or http://).")


def _entry(settings: Settings, parts: SplitResult) -> Entry:
    style = {"auto": None, "yes": True, "no": False}[settings.replica_path_style]
    try:
        told = extras(
            parts.scheme, parts.username or "", settings.replica_access_key_id, settings.replica_options
        )
    except ValueError as error:
        raise BadSetting(str(error)) from error
    if parts.scheme in PASSWORDS and settings.replica_secret_access_key:
        told[PASSWORDS[parts.scheme]] = f"${{{PASSWORD}}}"
    entry = Entry(
        endpoint=settings.replica_endpoint,
        region=settings.replica_region,
        force_path_style=style if parts.scheme == "s3" else None,
    )
    return msgspec.structs.replace(entry, **{name.replace("-", "_"): told[name] for name in told})


def _environment(settings: Settings, scheme: str) -> dict[str, str]:
    environment = _extra(settings)
    secret = settings.replica_secret_access_key
    if scheme in PASSWORDS and secret:
        # Litestream puts it into the text of its configuration before it reads that: as the inside of a JSON string.
        environment[PASSWORD] = msgspec.json.encode(secret).decode()[1:-1]
    for name, value in zip(KEYS.get(scheme, ()), (settings.replica_access_key_id, secret), strict=False):
        if name and value:
            environment[name] = value
    return environment


def _extra(settings: Settings) -> dict[str, str]:
    try:
        return variables(settings.replica_environment)
    except ValueError as error:
        raise BadSetting(str(error)) from error


def _secrets(settings: Settings) -> tuple[str, ...]:
    """Return what must not be seen in a log, the longest first: of what is given besides, all but names of files."""
    besides = (value for value in _extra(settings).values() if not value.startswith("/"))
    given = (settings.replica_secret_access_key, settings.replica_access_key_id, *besides)
    return tuple(sorted({secret for secret in given if len(secret) >= SECRET_MIN}, key=len, reverse=True))


def _without_password(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
