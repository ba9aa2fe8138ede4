"""The files under supervision: which there are, and whether each is still the file that it was.

Litestream notices neither a file that was deleted and made anew nor one that another was renamed over: it goes on with
pieces of both, answers that all is well, and the copy cannot be restored. So each file's identity is held fast here,
and one that was exchanged is named until a whole new copy of it has been made.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

# A descriptor of this kind keeps the number of a deleted file from being given to the next one, and closing it drops no
# lock of SQLite, as closing any other would.
_HOLD = getattr(os, "O_PATH", None)

Identity = tuple[int, int]


class Noted(msgspec.Struct, frozen=True):
    """What is kept over our own end. A file that was seen to go has no identity. `place` is where copies go."""

    clean: bool = True
    place: str = ""
    identities: dict[str, Identity | None] = {}
    exchanged: tuple[str, ...] = ()


class NotedFiles:
    """What a supervisor in another process noted of its files."""

    def __init__(self, note: Path) -> None:
        self._note = note
        self._version: tuple[int, int] | None = None
        self._noted = Noted()

    def may_prove(self, path: Path) -> bool:
        """Tell whether a file is the one that the supervisor holds, so that an answer about it may be believed."""
        self._read()
        identity = self._noted.identities.get(str(path))
        return identity is not None and str(path) not in self._noted.exchanged and identity == _identity(path)

    def _read(self) -> None:
        """Read the note if it is a new one: it is exchanged whole, never changed."""
        try:
            found = self._note.stat()
            version = (found.st_ino, found.st_mtime_ns)
            if version != self._version:
                self._noted = msgspec.json.decode(self._note.read_bytes(), type=Noted)
                self._version = version
        except (OSError, msgspec.DecodeError, msgspec.ValidationError):
            self._noted, self._version = Noted(), None


class SupervisedFiles:
    """The database files that `look` names; those that do not exist yet, or are empty still, do not count."""

    def __init__(self, look: Callable[[], Sequence[Path]], note: Path, place: str) -> None:
        self._look = look
        self._note = note
        self._place = place
        self._identities: dict[Path, Identity | None] = {}
        self._held: dict[Path, int] = {}
        self._exchanged: set[Path] = set()

    @property
    def exchanged(self) -> tuple[Path, ...]:
        """Return the files that need a whole new copy before they may be replicated again."""
        return tuple(sorted(self._exchanged & set(self.present()))) if self._exchanged else ()

    def present(self) -> tuple[Path, ...]:
        """Return the files that there are, in order."""
        named = {Path(os.path.abspath(path)) for path in self._look()}
        return tuple(sorted(path for path in named if _identity(path) is not None))

    def open(self) -> bool:
        """Remember what the last supervisor saw; if it died, whatever changed since may have changed under it.

        True if it copied to the same place.
        """
        try:
            noted = msgspec.json.decode(self._note.read_bytes(), type=Noted)
        except (OSError, msgspec.DecodeError, msgspec.ValidationError):
            return False
        self._identities = {Path(path): identity for path, identity in noted.identities.items()}
        self._exchanged = {Path(path) for path in noted.exchanged}
        if not noted.clean:
            self._exchanged |= {path for path in self._identities if not self._is_same(path)}
        return noted.place == self._place

    def hold(self) -> tuple[Path, ...]:
        """Look again, hold on to the files that may be replicated, and return them."""
        self.look()
        files = tuple(path for path in self.present() if path not in self._exchanged)
        for path in files:
            self._hold(path)
        self._save(clean=False)
        return files

    def look(self) -> bool:
        """Look for files that are no longer what they were; True if there is one."""
        gone = {path for path in self._held if not self._is_same(path)}
        for path in gone:
            self._let_go(path)
            self._exchanged.add(path)
            # Whatever comes under this name is another file, even if it should get the same number.
            self._identities[path] = None
        if gone:
            self._save(clean=False)
        return bool(gone)

    def is_exchanged(self, path: Path) -> bool:
        """Tell whether a file waits for a whole new copy."""
        return path in self._exchanged

    def is_same(self, path: Path) -> bool:
        """Tell whether a file is held, and is the one that was held."""
        return path in self._held and self._is_same(path)

    def copied(self, path: Path) -> bool:
        """Take note of a whole new copy of a file held since before it; False if it was exchanged meanwhile."""
        same = self.is_same(path)
        if same:
            self._exchanged.discard(path)
            self._save(clean=False)
        return same

    def distrust(self, paths: Sequence[Path]) -> None:
        """Have files copied whole before they are replicated again: the place lost what was copied to it."""
        self._exchanged.update(paths)
        self._save(clean=False)

    def hold_exchanged(self, path: Path) -> None:
        """Hold a file that a whole copy will be made of now."""
        self._hold(path)

    def close(self) -> None:
        """Let everything go at an end in good order: what changes from now on, changes under nobody."""
        self.look()
        self._save(clean=True)
        for path in list(self._held):
            self._let_go(path)

    def _hold(self, path: Path) -> None:
        self._let_go(path)
        with contextlib.suppress(FileNotFoundError):
            if _HOLD is not None:
                self._held[path] = os.open(path, _HOLD | os.O_CLOEXEC)
            else:
                self._held[path] = -1
            self._identities[path] = _identity(path)

    def _let_go(self, path: Path) -> None:
        descriptor = self._held.pop(path, -1)
        if descriptor >= 0:
            os.close(descriptor)

    def _is_same(self, path: Path) -> bool:
        noted = self._identities.get(path)
        return noted is not None and _identity(path) == noted

    def _save(self, *, clean: bool) -> None:
        noted = Noted(
            clean=clean,
            place=self._place,
            identities={str(path): identity for path, identity in self._identities.items()},
            exchanged=tuple(sorted(map(str, self._exchanged))),
        )
        fresh = self._note.with_name(self._note.name + ".new")
        fresh.write_bytes(msgspec.json.encode(noted))
        fresh.replace(self._note)


def _identity(path: Path) -> Identity | None:
    """Return device and number of a file; None where there is none, or one that nothing was written to yet."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_size > 0 else None
