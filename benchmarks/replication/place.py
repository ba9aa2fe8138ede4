"""Places to replicate to: nowhere, a folder, and an S3 server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.support.s3 import S3Server

OFF, FOLDER, S3 = "off", "folder", "s3"
PLACES = (OFF, FOLDER, S3)


class Place(msgspec.Struct, frozen=True):
    """A place that stands: the settings that name it, without their prefix, and the process behind it (0: none)."""

    name: str
    settings: Mapping[str, str]
    pid: int = 0


@contextmanager
def standing(name: str, scratch: Path) -> Iterator[Place]:
    """Make a place of PLACES below `scratch` and take it away at the end."""
    if name == OFF:
        yield Place(name, {"REPLICA": "off"})
    elif name == FOLDER:
        yield Place(name, {"REPLICA": str(scratch / "replica")})
    else:
        server = asyncio.run(S3Server.start(scratch / "s3"))
        try:
            settings = {name.upper(): str(value) for name, value in server.settings().items()}
            yield Place(name, settings, server.pid)
        finally:
            server.close()
