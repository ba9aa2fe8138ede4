"""Litestream: asked what a replica holds and for a copy, always with a time limit, never with -force.

-if-replica-exists is never given either: it turns a wrong address into success without a file.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path

from ops.restoring import binary, moment
from ops.restoring.place import Place
from ops.restoring.refusal import Refused
from ops.restoring.uninterrupted import held_back

ASK_TIMEOUT_S = 30.0
STALL_TIMEOUT_S = 60.0
STALL_PER_FILE_S = (
    0.2  # an object store may need this long for each file before the first page can be written
)
LOOK_EVERY_S = 0.1
OUTPUT_SHOWN_MAX = 600
ERROR = "Error: "


@dataclass(frozen=True)
class Ltx:
    """One file of a replica: transactions first to last. Litestream shows its time cut to the second."""

    level: int
    first: int
    last: int
    size_bytes: int
    at_ms: int


Watch = Callable[[int], None]
"""Told now and then how many bytes of the copy are written."""


class Litestream:
    """The replica of one database file, asked through the litestream binary."""

    def __init__(self, place: Place, stem: str, ask_timeout_s: float = ASK_TIMEOUT_S) -> None:
        self._target = f"{place.target.partition('?')[0].rstrip('/')}/{stem}"
        self._binary = binary.find(place)
        self._configuration = binary.configuration(place, stem)
        self._environment = binary.environment(place)
        self._ask_timeout_s = ask_timeout_s

    def files(self) -> list[Ltx]:
        """Return every file of the replica, of all levels; none where there is no replica. Raises Refused."""
        return [_ltx(row) for row in json.loads(self._ask("ltx", "-level", "all", "-json"))]

    def plan(self, at_ms: int | None) -> list[Ltx]:
        """Return the files that Litestream would restore from; raises Refused with its reason."""
        found = self._ask("restore", "-dry-run", "-json", "-o", f"{binary.NOWHERE}.plan", *_until(at_ms))
        return [_ltx(row) for row in json.loads(found)["files"]]

    def restore(self, output: Path, at_ms: int | None, files: int, watch: Watch) -> int:
        """Restore to `output`, which must not exist, and return its last transaction.

        `files` is how many the plan has. Raises Refused where it fails or stands still; then nothing is left.
        """
        with self._started("restore", "-json", "-o", str(output), *_until(at_ms)) as process:
            report, said = self._finish(process, output, STALL_TIMEOUT_S + files * STALL_PER_FILE_S, watch)
        if process.returncode != 0 or not output.exists():
            raise Refused(f"{self._target} could not be restored: {_reason(said)}.")
        return int(json.loads(report)["txid"], 16)

    @contextmanager
    def _started(self, verb: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start it, and end it with the block, whatever ends that."""
        with held_back() as release, self._process(verb, *options) as process:
            try:
                release()
                yield process
            finally:
                process.kill()

    def _process(self, verb: str, *options: str) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603, the binary that the settings name
                self._command(verb, *options),
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise Refused(
                f"{self._binary} cannot be run: {error.strerror}. Mend it, or set PALAVER_LITESTREAM."
            ) from error

    def _finish(
        self, process: subprocess.Popen[bytes], output: Path, stall_timeout_s: float, watch: Watch
    ) -> tuple[bytes, bytes]:
        """Wait for the end as long as the copy grows, and return what was printed on both outputs."""
        growing = output.with_name(output.name + ".tmp")
        size_bytes, moved_s = 0, time.monotonic()
        given: bytes | None = self._configuration
        while True:
            try:
                return process.communicate(given, timeout=LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                given = None
            now_bytes = growing.stat().st_size if growing.exists() else 0
            if now_bytes != size_bytes:
                size_bytes, moved_s = now_bytes, time.monotonic()
                watch(size_bytes)
            elif time.monotonic() - moved_s > stall_timeout_s:
                raise Refused(
                    f"{self._target} sent nothing for {stall_timeout_s:.0f} s. See that the replica can be "
                    "reached, and restore again: what is complete is not fetched twice."
                )

    def _ask(self, verb: str, *options: str) -> bytes:
        with self._started(verb, *options) as process:
            try:
                answer, said = process.communicate(self._configuration, self._ask_timeout_s)
            except subprocess.TimeoutExpired as error:
                raise Refused(
                    f"{self._target} did not answer within {self._ask_timeout_s:g} s. See that the network, the "
                    "endpoint and the keys are right; --time-limit waits longer."
                ) from error
        if process.returncode != 0:
            reason = _reason(said).rstrip(".")
            raise Refused(f"{self._target} cannot be read: {reason}.")
        return answer

    def _command(self, verb: str, *options: str) -> list[str]:
        fixed = [self._binary, verb, "-no-expand-env", "-config", "/dev/stdin"]
        return [*fixed, *options, binary.NOWHERE]


def _until(at_ms: int | None) -> list[str]:
    return [] if at_ms is None else ["-timestamp", moment.iso(at_ms)]


def _ltx(row: Mapping[str, object]) -> Ltx:
    at = datetime.fromisoformat(str(row["timestamp"]))
    return Ltx(
        level=int(str(row["level"])),
        first=int(str(row["min_txid"]), 16),
        last=int(str(row["max_txid"]), 16),
        size_bytes=int(str(row["size"])),
        at_ms=int(at.timestamp() * moment.MS),
    )


def _reason(output: bytes) -> str:
    """Return the error, which Azure's client spreads over lines, with rules between and a document at the end."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    began = [number for number, line in enumerate(lines) if line.startswith(ERROR)]
    told = lines[began[-1] :] if began else lines[-1:]
    before = takewhile(lambda line: not line.startswith("<"), told)
    said = " ".join(line for line in before if line.strip("-"))
    return (said or "Litestream gave no reason")[:OUTPUT_SHOWN_MAX].removeprefix(ERROR)
