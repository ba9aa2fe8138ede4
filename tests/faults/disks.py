"""Ways to take the disk from under a running server, and to give it back."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BALLAST_STEP_BYTES = 64 * 1024


@contextmanager
def small_disk(mount_point: Path, size_mib: int) -> Iterator[Path]:
    """Mount a file system of its own in memory; skips where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("a disk of its own needs root; the limit on file sizes is tested everywhere")
    mount_point.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(mount_point))
    try:
        yield mount_point
    finally:
        run("umount", "--lazy", str(mount_point))


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leave no byte free on a disk."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(BALLAST_STEP_BYTES))
        except OSError:
            pass
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def file_size_limit(pid: int, size_bytes: int) -> Iterator[None]:
    """Let a process write nothing beyond that offset of any file, as on a disk that takes no more."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def immutable(*files: Path) -> Iterator[None]:
    """Let nobody write to these files, not even root; skips where the file system has no such flag."""
    names = [str(file) for file in files]
    if subprocess.run(["chattr", "+i", *names], capture_output=True).returncode != 0:
        pytest.skip("files cannot be made immutable here: that needs root and a file system such as ext4")
    try:
        yield
    finally:
        run("chattr", "-i", *names)


@contextmanager
def moved_away(file: Path) -> Iterator[None]:
    """Take a file out of its folder."""
    aside = file.with_name(file.name + ".aside")
    file.rename(aside)
    try:
        yield
    finally:
        aside.rename(file)


@contextmanager
def failing_fsync(pid: int) -> Iterator[None]:
    """Let every fsync of a process answer EIO; skips without strace, or where it may not attach."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: a failing fsync is not tested")
    calls = "trace=fsync,fdatasync", "inject=fsync,fdatasync:error=EIO"
    options = [argument for call in calls for argument in ("-e", call)]
    tracer = subprocess.Popen(
        [strace, "-f", "-o", os.devnull, *options, "-p", str(pid)], stderr=subprocess.PIPE, text=True
    )
    try:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" not in said:
            pytest.skip(f"strace cannot attach: {said}")
        yield
    finally:
        # SIGTERM makes strace let go of the process, which then runs on as before.
        tracer.send_signal(signal.SIGTERM)
        tracer.communicate()


def run(*command: str) -> None:
    """Run a tool; its complaint is the error."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
