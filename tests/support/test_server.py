"""The harness starts what it is told to, waits for it, ends it in every way, and explains a failure."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest

from tests.support import tokens
from tests.support.ports import free_port
from tests.support.server import Server, palaver

READY = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

given = os.environ
print("rate", given.get("PALAVER_COMMAND_RATE_PER_S"), "stray", given.get("PALAVER_STRAY"), flush=True)
HTTPServer((given["PALAVER_HOST"], int(given["PALAVER_PORT"])), Ready).serve_forever()
"""


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setenv("PALAVER_STRAY", "yes")
    command = [sys.executable, "-c", READY]
    server = await Server.start(tmp_path / "data", command=command, command_rate_per_s=5)
    yield server
    await server.close()


async def test_settings_reach_the_process_and_stray_ones_do_not(server: Server) -> None:
    assert "rate 5 stray None" in server.tail()


async def test_a_killed_server_comes_back_on_the_same_port_as_another_process(server: Server) -> None:
    url, pid = server.url, server.pid
    await server.restart_after_kill(command_rate_per_s=6)
    assert server.url == url
    assert server.pid != pid
    assert "rate 6" in server.tail()


async def test_ending_a_server_returns_how_it_ended(server: Server) -> None:
    assert await server.terminate() == -signal.SIGTERM
    assert not server.alive
    with pytest.raises(RuntimeError, match="does not run"):
        await server.kill()


async def test_a_server_that_exits_at_once_is_an_error_with_what_it_printed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('the disk is on fire')"]
    with pytest.raises(RuntimeError, match=r"(?s)exited.*the disk is on fire"):
        await Server.start(tmp_path / "data", command=command)


def test_the_command_is_the_installed_one_or_its_module() -> None:
    assert palaver("serve")[-1] == "serve"
    assert Path(palaver("serve")[0]).parent == Path(sys.executable).parent


def test_a_token_says_who_for_how_long_and_what_for(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a secret of at least thirty-two bytes\n")
    token = tokens.sign(tmp_path, "alice", ttl="15m", scope="ops", aud="test")
    claims = jwt.decode(token, tokens.secret(tmp_path), algorithms=["HS256"], audience="test")
    assert (claims["sub"], claims["scope"], claims["exp"] - claims["iat"]) == ("alice", "ops", 900)


@pytest.mark.parametrize(("text", "expected_s"), [("90s", 90), ("2m", 120), ("24h", 86_400), ("-5s", -5)])
def test_durations_are_read_with_their_unit(text: str, expected_s: int) -> None:
    assert tokens.seconds(text) == expected_s


def test_a_duration_without_a_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="24h"):
        tokens.seconds("24")


def test_a_port_is_one_that_no_outgoing_connection_is_given() -> None:
    first, _ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    assert free_port() < int(first)
