"""Asks a server how its replication is, as an operator does, and waits until a copy is proven."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping

import httpx2
import msgspec

from benchmarks.job import HOST, BenchmarkFailed
from benchmarks.sides.palaver import command
from chat.replication import REPLICATING, ReplicationReport

PROOF_TIMEOUT_S = 120.0
STEP_S = 0.05


def until_proven(environment: Mapping[str, str], port: int) -> None:
    """Wait until each file's copy is proven; raises BenchmarkFailed after PROOF_TIMEOUT_S."""
    headers = {"Authorization": f"Bearer {_token(environment)}"}
    deadline_s = time.monotonic() + PROOF_TIMEOUT_S
    with httpx2.Client(trust_env=False, verify=False, headers=headers) as http:
        while time.monotonic() < deadline_s:
            answer = http.get(f"http://{HOST}:{port}/v1/ops/replication")
            answer.raise_for_status()
            files = msgspec.json.decode(answer.content, type=ReplicationReport).files
            if files and all(file.state == REPLICATING for file in files):
                return
            time.sleep(STEP_S)
    raise BenchmarkFailed(f"no copy was proven within {PROOF_TIMEOUT_S:g} s; the last was {files}")


def _token(environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        [*command(), "token", "--user", "operator", "--scope", "ops"],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=True,
        timeout=PROOF_TIMEOUT_S,
    )
    return done.stdout.strip()
