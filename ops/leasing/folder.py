"""FolderObject: the lease object in a folder. A lock makes comparing and replacing one act."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ops.leasing.lease_object import NAME, ObjectFailed, Stored

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700

Result = TypeVar("Result")


class FolderObject:
    """The file `palaver.lease` in `folder`, which is made where there is none.

    Every verb works in the object's one thread: where the folder is of a server that hangs, no other work hangs too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._thread = ThreadPoolExecutor(1, "palaver-lease")

    async def read(self) -> Stored | None:
        """Read it; see LeaseObject."""
        return await self._away(self._read)

    async def create(self, body: bytes) -> str | None:
        """Write it where there is none; see LeaseObject."""
        return await self._away(lambda: self._swap(body, lambda found: found is None))

    async def replace(self, body: bytes, tag: str) -> str | None:
        """Write it over the state `tag`; see LeaseObject."""
        return await self._away(
            lambda: self._swap(body, lambda found: found is not None and found.tag == tag)
        )

    async def overwrite(self, body: bytes) -> str:
        """Write it whatever stands there; see LeaseObject."""
        return await self._away(lambda: self._swap(body, lambda found: True) or "")

    async def _away(self, act: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, act)
        except OSError as error:
            raise ObjectFailed(f"{self._folder}: {error.strerror}") from error

    def _read(self) -> Stored | None:
        try:
            body = self._path.read_bytes()
        except FileNotFoundError:
            if not self._folder.is_dir() and self._folder.exists():
                raise NotADirectoryError(0, "is not a folder") from None
            return None
        return Stored(body, hashlib.sha256(body).hexdigest())

    def _swap(self, body: bytes, allowed: Callable[[Stored | None], bool]) -> str | None:
        self._folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        with self._locked():
            if not allowed(self._read()):
                return None
            beside = self._path.with_name(NAME + ".new")
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE_FILE)
            with open(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            return hashlib.sha256(body).hexdigest()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = self._path.with_name(NAME + ".lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
