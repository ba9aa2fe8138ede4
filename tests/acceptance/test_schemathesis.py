"""schemathesis, which we did not write, reads /openapi.json and tries to make the real server contradict it."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from chat.endpoints.rest import OPERATIONS
from tests.support.server import PROJECT, Server

COMMAND = Path(sys.executable).with_name("schemathesis")
CONFIGURATION = PROJECT / "schemathesis.toml"
EXAMPLES = 12
FUZZING_MAX_S = 25
RUN_TIMEOUT_S = 120
SEED = 1
"""A run that fails must fail again; other seeds are for longer runs by hand."""


async def test_schemathesis_finds_nothing(server: Server, tmp_path: Path) -> None:
    token = server.token("alice", scope="ops")
    command = [
        *(str(COMMAND), "--config-file", str(CONFIGURATION), "run", f"{server.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {token}"),
        *("--max-examples", str(EXAMPLES), "--max-time", str(FUZZING_MAX_S), "--seed", str(SEED)),
        *("--generation-database", "none", "--no-color", "--output-truncate", "false"),
    ]
    code, text = await run(command, tmp_path)

    assert code == 0, text
    assert count_tested(text) == len(OPERATIONS), text


async def run(command: list[str], folder: Path) -> tuple[int, str]:
    """Run a command in `folder` and return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), RUN_TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, printed.decode(errors="replace")


def count_tested(text: str) -> int:
    """Return how many operations the summary says were tested."""
    found = re.search(r"^ *Tested: (\d+)$", text, re.MULTILINE)
    assert found is not None, text
    return int(found[1])
