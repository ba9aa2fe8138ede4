"""py-spy beside a server for exactly the timed window, and what its samples say.

py-spy samples wall-clock time and cannot always tell a thread that waits in C (for the disk, say) from one
that works. The kernel can: each thread's samples are scaled to the CPU time that it counted for the thread.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.job import BenchmarkFailed
from benchmarks.process import threads_cpu_s

SAMPLES_PER_S = 200
START_LINE = "Sampling process"
STOP_TIMEOUT_S = 30.0
LINES_MAX = 25
THREAD = re.compile(r"^thread \((?P<number>\d+)\)(: (?P<name>.*))?$")
FRAME = re.compile(r"^(?P<function>.+) \((?P<file>[^():]+)(:\d+)?\)$")
THREADS_SUFFIX = ".threads"

Seconds = defaultdict[str, float]


def find() -> str:
    """Return the path of py-spy; raises BenchmarkFailed where there is none."""
    beside_python = Path(sys.executable).with_name("py-spy")
    found = str(beside_python) if beside_python.exists() else shutil.which("py-spy")
    if found is None:
        raise BenchmarkFailed("--profile needs py-spy: run `.venv/bin/pip install py-spy`")
    return found


@contextmanager
def beside(pid: int, file: str) -> Iterator[None]:
    """Sample the process during the body into `file`, as collapsed stacks; not when `file` is empty.

    The CPU seconds of each thread go to a file beside it, THREADS_SUFFIX.
    """
    if not file:
        yield
        return
    with _recording(pid, file):
        before = threads_cpu_s(pid)
        yield
        used = {thread: after - before.get(thread, 0) for thread, after in threads_cpu_s(pid).items()}
    Path(file + THREADS_SUFFIX).write_bytes(msgspec.json.encode(used))


@contextmanager
def _recording(pid: int, file: str) -> Iterator[None]:
    what = ("--pid", str(pid), "--output", file, "--format", "raw", "--threads", "--function")
    how = ("--rate", str(SAMPLES_PER_S), "--duration", "unlimited")
    with subprocess.Popen(
        [find(), "record", *what, *how],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as profiler:
        try:
            _wait_until_sampling(profiler)
            yield
        finally:
            profiler.send_signal(signal.SIGINT)
            profiler.communicate(timeout=STOP_TIMEOUT_S)


def _wait_until_sampling(profiler: subprocess.Popen[str]) -> None:
    assert profiler.stdout is not None
    printed = []
    for line in profiler.stdout:
        if START_LINE in line:
            return
        printed.append(line)
    raise BenchmarkFailed(f"py-spy did not start: {''.join(printed)}")


def summary(collapsed: Path) -> str:
    """Return threads, files and functions by their own CPU time, in per cent of the process, as Markdown."""
    samples = _samples(collapsed)
    cpu_s = msgspec.json.decode(Path(f"{collapsed}{THREADS_SUFFIX}").read_bytes(), type=dict[int, float])
    threads: Seconds = defaultdict(float)
    leaves: Seconds = defaultdict(float)
    for (number, name), stacks in samples.items():
        used_s = cpu_s.get(number, 0.0)
        threads[name] += used_s
        for leaf, count in stacks.items():
            leaves[leaf] += used_s * count / stacks.total()
    parts = {"Thread": threads, "File": _grouped(leaves, _file), "Function": _grouped(leaves, _function)}
    return "\n\n".join(_table(title, used) for title, used in parts.items()) + "\n"


def _samples(collapsed: Path) -> dict[tuple[int, str], Counter[str]]:
    """Return the counts of innermost frames, for each thread by number and name."""
    samples: defaultdict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for line in collapsed.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        thread = THREAD.match(frames[0])
        key = (int(thread["number"]), thread["name"] or "unnamed") if thread else (0, "unknown")
        samples[key][frames[-1]] += int(count)
    return samples


def _grouped(leaves: Seconds, name: Callable[[str], str]) -> Seconds:
    grouped: Seconds = defaultdict(float)
    for leaf, used_s in leaves.items():
        grouped[name(leaf)] += used_s
    return grouped


def _table(title: str, seconds: Seconds) -> str:
    total_s = sum(seconds.values()) or 1.0
    busiest = sorted(seconds.items(), key=lambda item: item[1], reverse=True)[:LINES_MAX]
    lines = [f"| {title} | CPU |", "| --- | ---: |"]
    lines += [f"| `{name}` | {100 * used_s / total_s:.1f} % |" for name, used_s in busiest]
    return "\n".join(lines)


def _function(frame: str) -> str:
    found = FRAME.match(frame)
    return f"{found['function']} ({found['file']})" if found else frame


def _file(frame: str) -> str:
    found = FRAME.match(frame)
    return found["file"] if found else frame
