"""Manifest: what a backup holds, written beside its files as JSON."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

MANIFEST = "manifest.json"
FORMAT = 1
READ_BYTES = 1024 * 1024

Content = Literal["database", "ledger", "secret"]


class BadManifest(Exception):
    """A backup's manifest is missing or cannot be read; the message says which."""


class BackupFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a backup. `generation`, `epoch` and `heartbeat_ms` (UTC) tell where a database stood."""

    name: str
    content: Content
    size_bytes: int
    sha256: str
    generation: int = 0
    epoch: str = ""
    heartbeat_ms: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One backup: all files as they were at `moment_ms` (UTC). One that is `kept` is never removed by its age."""

    name: str
    moment_ms: int
    took_ms: int
    version: str
    sqlite: str
    files: tuple[BackupFile, ...]
    kept: bool = False
    format: int = FORMAT

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def has_secret(self) -> bool:
        """Tell whether the signing secret is in it."""
        return any(file.content == "secret" for file in self.files)


def write(folder: Path, manifest: Manifest) -> Path:
    """Write a manifest into its backup, and return the file."""
    file = folder / MANIFEST
    file.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return file


def read(folder: Path) -> Manifest:
    """Read a backup's manifest; raises BadManifest."""
    file = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise BadManifest(
            f"{file} cannot be read ({error}): this is no whole backup. Take another one."
        ) from error
    if manifest.format != FORMAT:
        raise BadManifest(f"{file} has format {manifest.format}, which a newer Palaver wrote. Use that one.")
    return manifest


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with file.open("rb") as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
