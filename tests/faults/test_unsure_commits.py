"""A commit whose outcome is unknown: retries find what was stored, and its events reach everybody, once."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.faults.stored import read_generations
from tests.faults.storm import PEOPLE, Storm
from tests.support.server import Server

ROUNDS = 5
OPENINGS_MIN = 2
RETRY_S = 0.05


async def test_what_was_stored_and_reported_as_failed_is_answered_and_pushed_once(
    tmp_path: Path, seed: int
) -> None:
    command = [sys.executable, "-m", "tests.faults.unsure_commits"]
    server = await Server.start(tmp_path / "data", command=command, write_retry_s=RETRY_S)
    storm = Storm(server, seed)
    try:
        await storm.begin()
        await storm.heard(ROUNDS * PEOPLE)
        await storm.end()
        assert storm.verdict() == []
        assert storm.ledger.duplicates > 0
        assert len(read_generations(storm.database)) > OPENINGS_MIN
    finally:
        await storm.leave()
        await server.close()
    print(storm.report())
