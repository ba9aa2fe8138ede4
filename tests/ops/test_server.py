"""The server as a process: how it starts, how it ends, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.endpoints.connection import CONNECTION_EXTENSION
from ops.server import DRAIN, raise_descriptor_limit
from ops.serving.listeners import ListenError, listen
from tests.ops.serving.running import (
    CLOSE,
    LOOPBACK,
    TIMEOUT_S,
    Limits,
    Receive,
    Scope,
    Send,
    Wire,
    answer,
    application,
    frame,
    request,
    serving,
    until,
)

PROJECT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, resource, sys
from ops.server import serve
from ops.serving.options import ServerOptions
from tests.ops.serving.running import answer

LIMITS = {}

def started(address):
    print(address[1], flush=True)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    else:
        await serve_one(scope, receive, send)

async def lifespan(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})

async def serve_one(scope, receive, send):
    await answer(send, str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]).encode())

"""
RUN = "\nsys.exit(serve(app, ServerOptions(**{'port': 0, **LIMITS}), started))\n"


class Process:
    """A server in a process of its own; `changes` are definitions that replace those of PROGRAM."""

    def __init__(self, changes: str, descriptors: tuple[int, int] | None = None) -> None:
        def limit() -> None:
            if descriptors is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, descriptors)

        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM + textwrap.dedent(changes) + RUN],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limit,
        )

    def port(self) -> int:
        """Wait for the start and return the port."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Return the exit code and what it said on standard error."""
        _, said = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, said

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def spawn() -> Iterator[list[Process]]:
    """A list of the processes that the test has started; none outlives it."""
    started: list[Process] = []
    yield started
    for each in started:
        each.process.kill()
        each.process.communicate()


def start(spawn: list[Process], changes: str = "", descriptors: tuple[int, int] | None = None) -> Process:
    spawn.append(Process(changes, descriptors))
    return spawn[-1]


# Ending


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGINT, signal.SIGINT]])
def test_a_signal_stops_the_server_with_exit_code_0(
    spawn: list[Process], signals: list[signal.Signals]
) -> None:
    process = start(spawn)
    port = process.port()
    with Wire(port) as wire:
        assert wire.get() == 200
        for number in signals:
            process.signal(number)
        assert process.end() == (0, "")
        assert wire.rest() == b""


def test_a_second_sigint_does_not_wait(spawn: list[Process]) -> None:
    process = start(
        spawn,
        """
        async def lifespan(scope, receive, send):
            scope["state"]["drain"] = drain
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()

        async def drain():
            print("drains", flush=True)
            await asyncio.Event().wait()
        """,
    )
    process.port()
    process.signal(signal.SIGINT)
    assert process.process.stdout is not None
    assert process.process.stdout.readline() == "drains\n"
    begun_s = time.monotonic()
    until(lambda: process.process.poll() is not None or interrupt(process, begun_s), "the end", 3.0)
    code, said = process.end()
    assert code == 130
    assert said == "stopped by force: what was in work is given up\n"


def interrupt(process: Process, begun_s: float) -> bool:
    """Press Ctrl-C again, later than the server takes for the same wish."""
    if time.monotonic() > begun_s + 0.6:
        process.signal(signal.SIGINT)
        return True
    return False


def test_the_application_says_goodbye_before_the_server_closes_the_rest() -> None:
    events: list[str] = []
    sends: list[Send] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        if scope["path"] == "/ours":
            sends.append(send)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        events.append(f"end of {scope['path']}")

    async def drain() -> None:
        for send in sends:
            await send({"type": "websocket.close", "code": 3001})
        events.append("drained")

    with (
        serving(application(handler, {DRAIN: drain})) as ours,
        Wire(ours.port) as drained,
        Wire(ours.port) as left,
    ):
        drained.upgrade("/ours")
        left.upgrade("/other")
        until(lambda: len(ours.server.server_state.tasks) == 2, "both endpoints")
        ours.server.should_exit = True
        assert drained.close_code() == 3001
        assert drained.is_silent_for(0.1)  # it has a moment to answer
        drained.send(frame(CLOSE, (3001).to_bytes(2, "big")))
        assert left.close_code() == 1012
        until(lambda: len(events) == 3, "both ends")
    assert events[0] == "drained"


def test_a_goodbye_that_fails_is_logged_and_the_rest_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    async def drain() -> None:
        raise RuntimeError("the hub is gone")

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send)

    with serving(application(handler, {DRAIN: drain})) as ours, Wire(ours.port) as wire:
        assert wire.get() == 200
        ours.stop()
        assert wire.rest() == b""
    assert "the application could not say goodbye to its clients" in caplog.text


def test_no_connection_is_accepted_while_the_server_drains() -> None:
    draining = asyncio.Event()

    async def drain() -> None:
        draining.set()
        await asyncio.sleep(0.3)

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send)

    with serving(application(handler, {DRAIN: drain})) as ours, Wire(ours.port) as wire:
        assert wire.get() == 200
        ours.server.should_exit = True
        until(draining.is_set, "the drain")
        with pytest.raises(ConnectionRefusedError):
            Wire(ours.port)
        assert wire.get() == 200


def test_a_request_in_work_is_finished() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.3)
        await answer(send)

    with serving(application(slow)) as ours, Wire(ours.port) as wire:
        wire.send(request())
        until(lambda: ours.server.server_state.tasks, "the request")
        ours.server.should_exit = True
        assert wire.status() == 200


def test_peers_and_endpoints_that_never_end_do_not_hold_the_shutdown() -> None:
    async def stuck(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await asyncio.Event().wait()
        await receive()
        await send({"type": "websocket.accept"})
        connection = scope["extensions"][CONNECTION_EXTENSION]
        while not connection.paused:
            connection.write_text(b"x" * 4000)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        await asyncio.Event().wait()

    async def drain() -> None:
        await asyncio.Event().wait()

    limits: Limits = {"drain_timeout_s": 0.2, "finish_timeout_s": 0.2}
    with (
        serving(application(stuck, {DRAIN: drain}), **limits) as ours,
        Wire(ours.port, 8192) as reader,
        Wire(ours.port, 8192) as leaver,
        Wire(ours.port) as waiter,
        Wire(ours.port) as beginner,
    ):
        reader.upgrade()
        leaver.upgrade()
        leaver.send(frame(CLOSE, (1000).to_bytes(2, "big")))
        waiter.send(request())
        beginner.send(b"GET /")
        until(lambda: len(ours.server.server_state.tasks) == 3, "the endpoints")
        assert ours.stop() < 3.0


def test_an_application_that_does_not_stop_is_left_behind_with_exit_code_1(spawn: list[Process]) -> None:
    process = start(
        spawn,
        """
        LIMITS = {"shutdown_timeout_s": 0.2}

        async def lifespan(scope, receive, send):
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await asyncio.Event().wait()
        """,
    )
    process.port()
    process.signal(signal.SIGTERM)
    assert process.end() == (1, "the application did not stop within 0.2 s\n")


def test_an_application_that_fails_while_it_serves_ends_the_server(spawn: list[Process]) -> None:
    process = start(
        spawn,
        """
        async def lifespan(scope, receive, send):
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await moved.wait()
            raise ExceptionGroup("unhandled", [LostDatabase("the database file was moved: restart me")])

        class LostDatabase(Exception): pass

        moved = asyncio.Event()

        async def serve_one(scope, receive, send):
            await answer(send)
            moved.set()
        """,
    )
    with Wire(process.port()) as wire:
        assert wire.get() == 200
    assert process.end() == (1, "the application failed: the database file was moved: restart me\n")


def test_a_start_that_is_told_to_stop_ends_the_application_and_lets_nobody_in(spawn: list[Process]) -> None:
    process = start(
        spawn,
        """
        import os, signal

        async def lifespan(scope, receive, send):
            await receive()
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0)
            await send({"type": "lifespan.startup.complete"})
            assert (await receive())["type"] == "lifespan.shutdown"
            print("ended in good order", file=sys.stderr, flush=True)
            await send({"type": "lifespan.shutdown.complete"})
        """,
    )
    said, told = process.process.communicate(timeout=TIMEOUT_S)
    assert (process.process.returncode, said, told) == (0, "", "ended in good order\n")


# Starting


def test_a_port_in_use_is_told_before_the_application_starts(spawn: list[Process]) -> None:
    taken = listen(LOOPBACK, 0, 1)[0]
    port = taken.getsockname()[1]
    process = start(
        spawn,
        f"""
        LIMITS = {{"port": {port}}}

        async def lifespan(scope, receive, send):
            print("the application was started")
        """,
    )
    code, said = process.end()
    taken.close()
    assert (code, said) == (1, f"port {port} is in use: set PALAVER_PORT or stop the other server\n")


@pytest.mark.parametrize(
    ("host", "port", "hint"),
    [
        ("192.0.2.1", 0, "this machine has no address 192.0.2.1: set PALAVER_HOST"),
        ("no-such-host.invalid", 0, "the host 'no-such-host.invalid' has no address"),
    ],
)
def test_an_address_that_cannot_be_had_is_told_with_what_to_set(host: str, port: int, hint: str) -> None:
    with pytest.raises(ListenError) as refused:
        listen(host, port, 1)
    assert str(refused.value).startswith(hint)


def test_every_address_of_a_host_has_the_same_port() -> None:
    listeners = listen("localhost", 0, 1)
    ports = {each.getsockname()[1] for each in listeners}
    for each in listeners:
        each.close()
    assert len(ports) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("BadFolder('data is read-only: chown it')", "cannot start: data is read-only: chown it\n"),
        ("KeyError('x')", "cannot start: KeyError: 'x' (PALAVER_LOG_LEVEL=debug shows where)\n"),
    ],
)
def test_a_start_that_fails_says_why_without_a_traceback(spawn: list[Process], error: str, said: str) -> None:
    process = start(
        spawn,
        f"""
        class BadFolder(Exception): pass

        async def lifespan(scope, receive, send):
            await receive()
            await send({{"type": "lifespan.startup.failed", "message": "Traceback: many lines"}})
            raise {error}
        """,
    )
    assert process.end() == (1, said)


# Descriptors


def test_the_limit_of_descriptors_is_raised_as_far_as_it_goes(spawn: list[Process]) -> None:
    process = start(spawn, descriptors=(64, 300))
    with Wire(process.port()) as wire:
        wire.send(request())
        wire.read_until(b"\r\n\r\n")
        assert wire.take(3) == b"300"


def test_a_limit_that_cannot_be_raised_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(kind: int, limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_descriptor_limit() == 256
    assert "could not be raised to 4096" in caplog.text


def test_without_descriptors_the_server_sheds_load_and_recovers(spawn: list[Process]) -> None:
    process = start(spawn, "LIMITS = {'descriptors_reserve': 20}", descriptors=(100, 100))
    port = process.port()
    with Wire(port) as early:
        assert early.get() == 200
        crowd = [Wire(port) for _ in range(200)]
        assert crowd[-1].status() == 503
        assert early.get() == 200
        before_s = process.cpu_s()
        assert early.is_silent_for(0.5)
        assert process.cpu_s() - before_s < 0.25
        for each in crowd:
            each.socket.close()
        begun_s = time.monotonic()
        until(lambda: served(port), "a connection that is served", 5.0)
        assert time.monotonic() - begun_s < 5.0


def test_without_any_descriptor_left_the_server_recovers_too(spawn: list[Process]) -> None:
    process = start(spawn, "LIMITS = {'descriptors_reserve': 0}", descriptors=(100, 100))
    port = process.port()
    crowd = [Wire(port) for _ in range(200)]
    crowd[-1].rest()
    before_s = process.cpu_s()
    assert crowd[0].is_silent_for(0.5)
    assert process.cpu_s() - before_s < 0.25
    for each in crowd:
        each.socket.close()
    until(lambda: served(port), "a connection that is served", 5.0)


def served(port: int) -> bool:
    try:
        with Wire(port) as wire:
            return wire.get() == 200
    except (EOFError, ConnectionError):
        return False
