"""BucketObject: the lease object in a bucket, through obstore, with the conditions of RFC 9110 §13."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from ops.leasing.lease_object import ObjectFailed, Stored

DETAIL_CHARACTERS_MAX = 200
TAG_SEPARATOR = "\t"
NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")

_CODE = re.compile(r"<Code>([^<]+)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]+)</Message>")
_STATUS = re.compile(r"status code: (\d{3} [A-Za-z ]+)")

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion

Store = S3Store | GCSStore | AzureStore


class BucketObject:
    """One key of a bucket. A store that knows no conditions may overwrite all the same: the lease finds that out."""

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key

    async def read(self) -> Stored | None:
        """Read it; see LeaseObject."""
        with told():
            try:
                found = await self._store.get_async(self._key)
                body = bytes(await found.bytes_async())
            except FileNotFoundError as error:
                if any(sign in str(error) for sign in NO_BUCKET):
                    raise
                return None
            return Stored(body, _tag(found.meta["e_tag"], found.meta["version"]))

    async def create(self, body: bytes) -> str | None:
        """Write it where there is none; see LeaseObject."""
        with told():
            try:
                return await self._put(body, "create")
            except (AlreadyExistsError, PreconditionError):
                return None
            except (NotSupportedError, NotImplementedError):
                return await self.overwrite(body)

    async def replace(self, body: bytes, tag: str) -> str | None:
        """Write it over the state `tag`; see LeaseObject."""
        names = dict(zip(("e_tag", "version"), tag.split(TAG_SEPARATOR), strict=True))
        known: UpdateVersion = {name: value for name, value in names.items() if value}  # type: ignore[assignment]
        with told():
            try:
                return await self._put(body, known)
            except (AlreadyExistsError, PreconditionError):
                return None
            except (NotSupportedError, NotImplementedError):
                return await self.overwrite(body)

    async def overwrite(self, body: bytes) -> str:
        """Write it whatever stands there; see LeaseObject."""
        with told():
            return await self._put(body, "overwrite")

    async def _put(self, body: bytes, mode: PutMode) -> str:
        written = await self._store.put_async(self._key, body, mode=mode)
        return _tag(written["e_tag"], written["version"])


def _tag(e_tag: str | None, version: str | None) -> str:
    """Write down both names of a state: most stores compare the first, Google's the second."""
    return f"{e_tag or ''}{TAG_SEPARATOR}{version or ''}"


@contextmanager
def told() -> Iterator[None]:
    """Turn the store's errors, which are pages long, into one line."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        raise ObjectFailed(_line(error)) from error


def _line(error: Exception) -> str:
    text = str(error)
    said = [
        found.group(1).strip()
        for found in (_STATUS.search(text), _CODE.search(text), _MESSAGE.search(text))
        if found
    ]
    if said:
        return ", ".join(said)
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return "the store refuses these credentials"
    first = text.splitlines()[0] if text else type(error).__name__
    return first.rpartition(" - ")[2][:DETAIL_CHARACTERS_MAX]
