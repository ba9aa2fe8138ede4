"""The crash tests can fail: under them, servers that are broken on purpose are found out."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.faults.storm import Storm
from tests.faults.test_crash import moment
from tests.support.server import Server

KILLS_MAX = 10


async def test_a_server_that_acknowledges_before_it_commits_is_found_out(tmp_path: Path, seed: int) -> None:
    violations = await violations_of("ack_before_commit", tmp_path, seed)
    assert any("was acknowledged as" in violation for violation in violations)
    assert any("it was not committed" in violation for violation in violations)


async def test_a_server_that_pushes_before_it_commits_is_found_out(tmp_path: Path, seed: int) -> None:
    violations = await violations_of("push_before_commit", tmp_path, seed)
    assert any("it was not committed" in violation for violation in violations)
    assert not any("was acknowledged as" in violation for violation in violations)


async def violations_of(program: str, tmp_path: Path, seed: int) -> list[str]:
    """Kill the broken server under load until the ledger has something to say, and return that."""
    command = [sys.executable, "-m", f"tests.faults.{program}"]
    server = await Server.start(tmp_path / "data", command=command)
    storm = Storm(server, seed)
    try:
        await storm.begin()
        for _ in range(KILLS_MAX):
            await moment(storm)
            await server.kill()
            await storm.all_gone()
            storm.check()
            if storm.ledger.violations:
                break
            await server.launch()
            await storm.all_back()
        return storm.ledger.violations
    finally:
        await storm.leave()
        await server.close()
