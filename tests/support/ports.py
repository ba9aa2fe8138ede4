"""Free loopback ports that stay ours while the server behind them is down."""

from __future__ import annotations

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
PORT_MIN = 15_000
TRIES_MAX = 200

# Test processes side by side must not draw the same numbers, whatever seeded the common generator.
_ANY = random.SystemRandom()


def free_port() -> int:
    """Return a free port below the range that the kernel gives to outgoing connections.

    A client that retries against a dead port inside that range can be given the same number for its own end,
    and is then connected to itself; below it that cannot happen.
    """
    for _ in range(TRIES_MAX):
        port = _ANY.randrange(PORT_MIN, _ephemeral_min())
        if _is_free(port):
            return port
    raise RuntimeError("no free loopback port was found")


def _ephemeral_min() -> int:
    try:
        first, _ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except OSError:
        return 32_768
    return max(int(first), PORT_MIN + TRIES_MAX)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
