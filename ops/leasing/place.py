"""Where the lease of a replica stands, beside its copies, and what else lies there; by the kind of its URL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from obstore.store import AzureStore, GCSStore, S3Store

from chat.settings import BadSetting, Settings
from ops.leasing.bucket import BucketObject, Store, told
from ops.leasing.dav import DavFolder, DavObject
from ops.leasing.folder import FolderObject
from ops.leasing.lease_object import NAME, LeaseObject, ObjectFailed
from ops.supervising.target import Target, target_of

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

REGION = "us-east-1"
DAV = ("webdav", "webdavs")
CONNECT_TIMEOUT_S = 2
ANSWER_TIMEOUT_S = 4


def lease_object(settings: Settings) -> LeaseObject | None:
    """Return the object of the replica that the settings name; None where nothing here can reach its kind of store.

    Raises BadSetting for a place that Litestream could not write to either, and for keys that can be none.
    """
    target = target_of(settings)
    if not target.leased:
        return None
    if target.scheme == "file":
        return FolderObject(Path(target.place))
    try:
        with told():
            if target.scheme in DAV:
                return DavObject(_dav(target, settings))
            return BucketObject(_store_of(target, settings), f"{_folder_in(target)}{NAME}")
    except ObjectFailed as error:
        raise BadSetting(
            f"PALAVER_REPLICA={target.shown} cannot be used with what is set: {error}."
        ) from error


def names_at(settings: Settings) -> list[str] | None:
    """List what lies directly at the replica's URL, which is none of a folder; None where nothing here can list it.

    Blocks for seconds where the store does not answer; raises ObjectFailed, BadSetting.
    """
    target = target_of(settings)
    if target.scheme in DAV:
        return _dav(target, settings).names()
    if not target.leased:
        return None
    with told():
        found = _store_of(target, settings).list_with_delimiter(_folder_in(target) or None)
    paths = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
    return [path.strip("/").rpartition("/")[2] for path in paths]


def _store_of(target: Target, settings: Settings) -> Store:
    return _KINDS[target.scheme](target, settings)


def _folder_in(target: Target) -> str:
    """Return what the keys of a target begin with in its bucket: empty, or with a slash at the end."""
    return f"{urlsplit(target.place).path.strip('/')}/".lstrip("/")


def _dav(target: Target, settings: Settings) -> DavFolder:
    return DavFolder(target.place, settings.replica_secret_access_key, target.environment)


def _s3(target: Target, settings: Settings) -> Store:
    url, environment = urlsplit(target.place), target.environment
    asked = parse_qs(url.query)
    endpoint = settings.replica_endpoint or asked.get("endpoint", [""])[0]
    if endpoint and "://" not in endpoint:
        endpoint = f"https://{endpoint}"
    named = {
        "endpoint": endpoint,
        "access_key_id": environment.get("AWS_ACCESS_KEY_ID"),
        "secret_access_key": environment.get("AWS_SECRET_ACCESS_KEY"),
        "session_token": environment.get("AWS_SESSION_TOKEN"),
    }
    return S3Store(
        url.netloc,
        region=settings.replica_region or asked.get("region", [REGION])[0],
        client_options={**_client(), "allow_http": endpoint.startswith("http://")},
        retry_config=_once(),
        **{name: value for name, value in named.items() if value},  # type: ignore[arg-type]
    )


def _google(target: Target, _settings: Settings) -> Store:
    url, credentials = urlsplit(target.place), target.environment.get("GOOGLE_APPLICATION_CREDENTIALS")
    named = {"application_credentials": credentials} if credentials else {}
    return GCSStore(url.netloc, client_options=_client(), retry_config=_once(), **named)  # type: ignore[arg-type]


def _azure(target: Target, settings: Settings) -> Store:
    url, endpoint = urlsplit(target.place), settings.replica_endpoint
    account, _, container = url.netloc.rpartition("@")
    named = {
        "endpoint": endpoint,
        "account_key": settings.replica_secret_access_key,
        "sas_key": target.environment.get("LITESTREAM_AZURE_SAS_TOKEN"),
    }
    return AzureStore(
        container,
        account_name=account or settings.replica_access_key_id,
        client_options={**_client(), "allow_http": endpoint.startswith("http://")},
        retry_config=_once(),
        **{name: value for name, value in named.items() if value},  # type: ignore[arg-type]
    )


def _client() -> ClientConfig:
    return {
        "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
        "timeout": timedelta(seconds=ANSWER_TIMEOUT_S),
    }


def _once() -> RetryConfig:
    """Try once: whoever asks comes again soon, and wants to know."""
    return {"max_retries": 0}


_KINDS: dict[str, Callable[[Target, Settings], Store]] = {
    "s3": _s3,
    "gs": _google,
    "abs": _azure,
}
