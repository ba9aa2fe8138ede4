"""`palaver serve` as an operator runs it: a start that is broken off, and one beside a server that runs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from storage.lock import FileLock
from tests.support.litestream import litestream
from tests.support.ports import LOOPBACK
from tests.support.server import Server, palaver
from tests.support.signals import catches
from tests.support.waiting import until

DATABASE = "main.db"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that was not started yet."""
    server = Server(tmp_path / "data", palaver("serve"), {})
    yield server
    await server.close()


async def refused(server: Server) -> str:
    """Start a server that must not start, and return what it says."""
    server.spawn()
    await until(lambda: not server.alive, "the end of the start")
    return server.tail()


# Told to stop while it starts


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def first(server: Server) -> bool:
    """Tell whether the first code of ours runs: until then a signal is Python's own."""
    return catches(server.pid, signal.SIGTERM)


MOMENTS: dict[str, Callable[[Server], bool]] = {
    "first code of ours": first,
    "port": lambda server: listens(server.port),
    "lock": lambda server: (server.data_dir / f"{DATABASE}.lock").exists(),
    "secret": lambda server: (server.data_dir / "secret").exists(),
}
NOISE = ("Traceback", "Error", "Interrupt", "Aborted")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_start_that_is_told_to_stop_ends_as_asked_and_says_nothing_of_it(
    server: Server, moment: str, number: signal.Signals
) -> None:
    server.spawn()
    await until(lambda: MOMENTS[moment](server), moment)
    end = server.terminate if number == signal.SIGTERM else server.interrupt
    assert await end() == 0, server.tail()
    assert not any(word in server.tail() for word in NOISE), server.tail()


async def test_a_start_that_was_broken_off_costs_the_next_one_nothing(server: Server) -> None:
    for moment in MOMENTS.values():
        server.spawn()
        await until(lambda moment=moment: first(server) and moment(server), "the moment")  # type: ignore[misc]
        assert await server.terminate() == 0, server.tail()
    await server.launch()


async def test_a_restore_at_the_start_that_is_told_to_stop_takes_its_child_along(tmp_path: Path) -> None:
    data, asked, hanging = tmp_path / "data", tmp_path / "asked", tmp_path / "litestream"
    replica = tmp_path / "replica"
    first = await Server.start(data, replica=replica)
    await until(lambda: list(replica.glob("main/**/*.ltx")), "a copy")
    await first.terminate()
    database = data / DATABASE
    for path in (database, data / f"{DATABASE}-wal", data / f"{DATABASE}-shm"):
        path.unlink(missing_ok=True)
    hanging.write_text(
        f'#!/bin/sh\ncase "$*" in *-dry-run*) ;; restore*) cat > /dev/null; echo $$ > {asked}; exec sleep 600;; esac\n'
        f'exec {litestream()} "$@"\n'
    )
    hanging.chmod(0o700)
    command = palaver("serve", "--restore-if-missing")
    server = Server(data, command, {"replica": replica, "litestream": hanging})
    server.spawn()
    try:
        await until(lambda: asked.exists() and asked.read_text() != "", "the restore")
        assert await server.terminate() == 0, server.tail()
        with pytest.raises(ProcessLookupError):
            os.kill(int(asked.read_text()), 0)
        assert "Traceback" not in server.tail()
        assert not database.exists()
        assert list((data / "restores").glob("temporary-*")) == []
        await server.launch(litestream="")
    finally:
        await server.close()


# Beside a server that runs


async def test_a_second_server_names_the_first_also_on_the_same_port(server: Server) -> None:
    await server.launch()
    second = Server(server.data_dir, palaver("serve"), {"port": server.port})
    second.log = server.log.with_name("second.log")
    said = await refused(second)
    database = server.data_dir / DATABASE
    assert f"{database} is already served by the process with pid {server.pid}. Stop that one" in said
    assert "PALAVER_PORT" in said


async def test_a_port_of_another_program_is_told_though_a_dead_server_left_its_pid(server: Server) -> None:
    server.data_dir.mkdir()
    lock = FileLock(server.data_dir / DATABASE)
    lock.acquire()
    lock.release()
    (server.data_dir / f"{DATABASE}.lock").write_text(f"{os.getpid()}\n")
    with socket.create_server((LOOPBACK, server.port)):
        said = await refused(server)
    assert f"port {server.port} is in use" in said
    assert str(os.getpid()) not in said
