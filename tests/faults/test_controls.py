"""The crash tests can fail: under them, servers that are broken on purpose are found out."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.faults.storm import Storm
from tests.faults.test_crash import moment
from tests.support.server import Server

KILLS_MAX = 10
ACKNOWLEDGED = "was acknowledged as"
PUSHED = "it was not committed"


async def test_a_server_that_acknowledges_before_it_commits_is_found_out(tmp_path: Path, seed: int) -> None:
    await violations_of("ack_before_commit", tmp_path, seed, ACKNOWLEDGED, PUSHED)


async def test_a_server_that_pushes_before_it_commits_is_found_out(tmp_path: Path, seed: int) -> None:
    violations = await violations_of("push_before_commit", tmp_path, seed, PUSHED)
    assert not any(ACKNOWLEDGED in violation for violation in violations)


async def violations_of(program: str, tmp_path: Path, seed: int, *expected: str) -> list[str]:
    """Kill the broken server under load until the ledger says all that is expected, and return what it says."""
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
            violations = storm.ledger.violations
            if all(any(text in violation for violation in violations) for text in expected):
                return violations
            await server.launch()
            await storm.all_back()
        raise AssertionError(f"after {KILLS_MAX} kills not all of {expected} was found: {violations[:10]}")
    finally:
        await storm.leave()
        await server.close()
