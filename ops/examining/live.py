"""What the running server says of itself, where one runs: each part that is not well is a finding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec

from chat.health import Health
from chat.settings import Settings
from ops.examining.findings import Finding, error, good, warning
from ops.live import Live
from ops.restoring.locks import server_of

ANSWER_TIMEOUT_S = 10.0
RUNBOOK = "docs/how-to/alarms.md"
ADVICE = {
    "writer of ": "Make room, or give the file back to the server's user, or restore it; then writing goes on by "
    f"itself ({RUNBOOK}, PalaverCannotWrite).",
    "timeline of ": "If nobody meant to exchange the file, stop the server and put the right moment back (palaver "
    "snapshots, palaver restore --at … --in-place); if somebody did, restart the server, which ends this "
    f"({RUNBOOK}, PalaverTimelineSwapped).",
    "replication of ": "Mend what it names (network, endpoint, keys, bucket, disk, a second machine); then what waits "
    f"is copied by itself ({RUNBOOK}, PalaverNotReplicating).",
    "copies of ": "A whole new copy mends it: palaver replicate --anew, with the name of the file; then palaver drill.",
    "WAL of ": f"Look who reads for so long, and end that one ({RUNBOOK}, PalaverWalGrows).",
    "readers of ": f"End that process, if it is none of yours ({RUNBOOK}, PalaverWalGrows).",
    "restore drill": "Run palaver drill; palaver drill --history says what was wrong before.",
}


def findings(settings: Settings, databases: list[Path]) -> Iterator[Finding]:
    """Ask /readyz of the server that has one of these databases; say nothing where none has."""
    pids = {pid for pid in map(server_of, databases) if pid is not None}
    if not pids:
        return
    url = Live(settings).url
    try:
        answer = httpx2.get(f"{url}/readyz", timeout=ANSWER_TIMEOUT_S, trust_env=False)
        health = msgspec.json.decode(answer.content, type=Health)
    except (httpx2.TransportError, msgspec.DecodeError) as problem:
        yield warning(
            url,
            "answer",
            f"process {', '.join(map(str, sorted(pids)))} serves, and does not answer here ({problem})",
            "Set PALAVER_HOST and PALAVER_PORT as the server has them; if it hangs, look into its log.",
        )
        return
    yield from _parts(url, health)


def _parts(url: str, health: Health) -> Iterator[Finding]:
    yield good(url, "answer", f"answers, and is {health.status}")
    for part in health.parts:
        if part.ok:
            yield good(url, part.part, "is well")
        else:
            judged = error if part.critical else warning
            yield judged(url, part.part, part.reason, _advice(part.part))


def _advice(part: str) -> str:
    """Say what to do about a part: its first words tell which kind it is."""
    for kind, advice in ADVICE.items():
        if part.startswith(kind):
            return advice
    return "Mend what it says; the chat goes on meanwhile."
