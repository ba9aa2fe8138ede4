"""Where the lease of a replica stands: the object beside its copies, by the kind of its URL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, urlsplit

from obstore.store import AzureStore, GCSStore, S3Store

from chat.settings import Settings
from ops.lease_bucket import BucketObject
from ops.lease_folder import FolderObject
from ops.lease_object import NAME, LeaseObject
from ops.litestream_target import Target, target_of

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

REGION = "us-east-1"
CONNECT_TIMEOUT_S = 2
ANSWER_TIMEOUT_S = 4


def lease_object(settings: Settings) -> LeaseObject | None:
    """Return the object of the replica that the settings name; None where nothing here can reach its kind of store.

    Raises BadSetting for a place that Litestream could not write to either.
    """
    target = target_of(settings)
    opened = _KINDS.get(target.scheme)
    return opened(target, settings) if opened else None


def _folder(target: Target, _settings: Settings) -> LeaseObject:
    return FolderObject(Path(target.place))


def _s3(target: Target, settings: Settings) -> LeaseObject:
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
    store = S3Store(
        url.netloc,
        region=settings.replica_region or asked.get("region", [REGION])[0],
        client_options={**_client(), "allow_http": endpoint.startswith("http://")},
        retry_config=_once(),
        **{name: value for name, value in named.items() if value},  # type: ignore[arg-type]
    )
    return BucketObject(store, _key(url))


def _google(target: Target, _settings: Settings) -> LeaseObject:
    url, credentials = urlsplit(target.place), target.environment.get("GOOGLE_APPLICATION_CREDENTIALS")
    named = {"application_credentials": credentials} if credentials else {}
    store = GCSStore(url.netloc, client_options=_client(), retry_config=_once(), **named)  # type: ignore[arg-type]
    return BucketObject(store, _key(url))


def _azure(target: Target, settings: Settings) -> LeaseObject:
    url = urlsplit(target.place)
    account, _, container = url.netloc.rpartition("@")
    store = AzureStore(
        container,
        account_name=account or settings.replica_access_key_id,
        account_key=settings.replica_secret_access_key or None,
        client_options=_client(),
        retry_config=_once(),
    )
    return BucketObject(store, _key(url))


def _key(url: SplitResult) -> str:
    return f"{url.path.strip('/')}/{NAME}".lstrip("/")


def _client() -> ClientConfig:
    return {
        "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
        "timeout": timedelta(seconds=ANSWER_TIMEOUT_S),
    }


def _once() -> RetryConfig:
    """Try once: whoever asks comes again soon, and wants to know."""
    return {"max_retries": 0}


_KINDS: dict[str, Callable[[Target, Settings], LeaseObject]] = {
    "file": _folder,
    "s3": _s3,
    "gs": _google,
    "abs": _azure,
}
