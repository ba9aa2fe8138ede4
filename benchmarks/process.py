"""Servers as child processes, and what /proc says of them: processor time and resident memory."""

from __future__ import annotations

import http.client
import os
import random
import resource
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType

import msgspec

from benchmarks.job import HOST, BenchmarkFailed

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.05
LOG_TAIL_BYTES = 3000
# Below the range of outgoing connections: a client that polls a port inside it can meet itself.
PORTS = range(15_000, 32_000)
PORT_TRIES_MAX = 200
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
KIB = 1024


class Usage(msgspec.Struct, frozen=True):
    """What passed between two marks, in seconds: the clock, and CPU of server, generator, whole machine.

    `beside_s` is the CPU of other processes that were told apart, by name.
    """

    wall_s: float
    server_s: float
    generator_s: float
    machine_s: float
    beside_s: dict[str, float] = {}

    def shares(self) -> dict[str, float]:
        """Return the load in per cent of one core; `rest` is what others on the machine took."""
        known_s = {"server": self.server_s, "generator": self.generator_s, **self.beside_s}
        rest_s = max(0.0, self.machine_s - sum(known_s.values()))
        return {
            f"{name}_cpu_percent": 100 * used_s / self.wall_s
            for name, used_s in {**known_s, "rest": rest_s}.items()
        }


class Meter:
    """Takes marks of a server's, of this process's and of the machine's CPU. Started when made."""

    def __init__(self, server_pid: int, beside: Mapping[str, int] = MappingProxyType({})) -> None:
        self._pid = server_pid
        self._beside = beside
        self._start = self._read()

    def usage(self) -> Usage:
        """Return what was used since the start."""
        now, start = self._read(), self._start
        return Usage(
            now.wall_s - start.wall_s,
            now.server_s - start.server_s,
            now.generator_s - start.generator_s,
            now.machine_s - start.machine_s,
            {name: now.beside_s[name] - start.beside_s[name] for name in self._beside},
        )

    def _read(self) -> Usage:
        beside_s = {name: cpu_s(pid) for name, pid in self._beside.items()}
        return Usage(time.perf_counter(), cpu_s(self._pid), time.process_time(), machine_cpu_s(), beside_s)


class Server:
    """A child process that serves HTTP; a `with` waits until `ready_path` answers 200."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, port: int, ready_path: str
    ):
        self.port = port
        self.folder = folder
        self._command = list(command)
        self._environment = dict(environment)
        self._ready_path = ready_path
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the number of the running process."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Server:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is BenchmarkFailed and error is not None:
            error.add_note(f"The server's last words:\n{self.tail()}")
        self._stop()

    def tail(self) -> str:
        """Return the end of what the server printed."""
        return self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            if self._process.poll() is not None:
                raise BenchmarkFailed(
                    f"{self._command[:3]} exited with {self._process.returncode}:\n{self.tail()}"
                )
            if _status(self.port, self._ready_path) == http.client.OK:
                return
            time.sleep(POLL_S)
        raise BenchmarkFailed(
            f"{self._command[:3]} was not ready after {START_TIMEOUT_S:.0f} s:\n{self.tail()}"
        )

    def _stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def cpu_s(pid: int) -> float:
    """Return the user and system time of a process and its threads so far, in steps of a tick (10 ms)."""
    return _stat_cpu_s(Path(f"/proc/{pid}/stat"))


def threads_cpu_s(pid: int) -> dict[int, float]:
    """Return the same for each of its threads, by the kernel's number of the thread."""
    return {int(task.name): _stat_cpu_s(task / "stat") for task in Path(f"/proc/{pid}/task").iterdir()}


def child_of(pid: int, name: str) -> int:
    """Return the process called `name` that `pid` started; raises BenchmarkFailed where there is none."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, fields = stat.read_text().rpartition(")")
        except OSError:
            continue  # it ended meanwhile
        if head.partition("(")[2] == name and int(fields.split()[1]) == pid:
            return int(stat.parent.name)
    raise BenchmarkFailed(f"process {pid} has no child {name}")


def machine_cpu_s() -> float:
    """Return the time that all cores have been busy so far, proc_stat(5)."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_S


def _stat_cpu_s(file: Path) -> float:
    fields = file.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S  # utime and stime, proc_pid_stat(5)


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * KIB
    raise BenchmarkFailed(f"process {pid} has no resident memory: it ended")


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    for _ in range(PORT_TRIES_MAX):
        port = random.choice(PORTS)
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) != 0:
                return port
    raise BenchmarkFailed("no free loopback port was found")


def raise_file_limit(needed: int) -> None:
    """Open as many files as the system allows, children too; raises when those are fewer than `needed`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BenchmarkFailed(
            f"{needed} open files are needed and {hard} allowed: raise `ulimit -Hn`, or use --quick"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection(HOST, port, timeout=START_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
