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
from storage.inspect import server_of

ANSWER_TIMEOUT_S = 10.0


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
        elif part.critical:
            yield error(url, part.part, part.reason, "Mend what it says; the server goes on by itself then.")
        else:
            yield warning(url, part.part, part.reason, "Mend what it says; the chat goes on meanwhile.")
