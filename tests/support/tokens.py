"""Tokens signed in the test's own process with the secret that the server made in its data folder."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

import jwt

ALGORITHM = "HS256"
SECRET_FILE = "secret"
UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def sign(data_dir: Path, user: str, ttl: str = "24h", scope: str | None = None, **claims: object) -> str:
    """Return a token of `user` that ends `ttl` from now (`90s`, `15m`, `24h`); more claims as keywords."""
    now_s = int(time.time())
    payload: dict[str, object] = {"sub": user, "iat": now_s, "exp": now_s + seconds(ttl), **claims}
    if scope is not None:
        payload["scope"] = scope
    return jwt.encode(payload, secret(data_dir), algorithm=ALGORITHM)


def secret(data_dir: Path) -> str:
    """Return the signing secret of a server that has started once on `data_dir`."""
    return (data_dir / SECRET_FILE).read_text().strip()


def seconds(ttl: str) -> int:
    """Return how many seconds `24h`, `15m`, `30s` or `-5s` are."""
    match = re.fullmatch(r"(-?\d+)([smhd])", ttl)
    if match is None:
        raise ValueError(f"{ttl!r} is not a duration such as 24h")
    return int(match[1]) * UNIT_S[match[2]]


def bearer(token: str) -> Mapping[str, str]:
    """Return the header that carries `token`."""
    return {"Authorization": f"Bearer {token}"}
