"""`palaver token`: tokens for development and scripts, signed with the server's own secret."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from chat.auth import load_secret, mint
from chat.commands import check_user
from chat.errors import BadRequest
from ops.owned_settings import owned_settings

EXIT_USAGE = 2
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
SCOPES = ("ops", "assistant")
HS256 = "HS256"
TTL = re.compile(r"\A([0-9]{1,6})([smhd])\Z")


def token(
    user: Annotated[
        list[str], typer.Option("--user", help="Whom the token speaks for; several give one line each.")
    ],
    ttl: Annotated[str, typer.Option("--ttl", help="How long it is valid: 90s, 15m, 24h, 30d.")] = "24h",
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="ops or assistant; several times for both.")
    ] = None,
) -> None:
    """Print tokens, one a line and nothing else, for the server whose data folder is PALAVER_DATA.

    Works only with the HS256 secret; makes it at first use, as the server does.
    """
    settings = owned_settings()
    if HS256 not in settings.jwt_algorithms.replace(" ", "").split(","):
        _refuse(
            f"this server takes {settings.jwt_algorithms} alone: ask whoever has its private key for a token"
        )
    ttl_s = _seconds(ttl)
    scopes = _scopes(scope or [])
    for name in user:
        _check(name)
    Path(settings.data).mkdir(parents=True, exist_ok=True)
    secret = load_secret(settings)
    for name in user:
        print(mint(secret, name, ttl_s, scopes, audience=settings.jwt_audience, issuer=settings.jwt_issuer))


def _seconds(ttl: str) -> int:
    match = TTL.match(ttl)
    if match is None or int(match[1]) == 0:
        _refuse(f"--ttl {ttl}: write a number and s, m, h or d, as in 24h")
        raise AssertionError
    return int(match[1]) * UNITS_S[match[2]]


def _scopes(given: list[str]) -> list[str]:
    scopes = [scope for entry in given for scope in entry.replace(",", " ").split()]
    for scope in scopes:
        if scope not in SCOPES:
            _refuse(f"--scope {scope}: there are {' and '.join(SCOPES)}")
    return scopes


def _check(name: str) -> None:
    try:
        check_user(name)
    except BadRequest as error:
        _refuse(f"--user {name!r}: {error.detail}")


def _refuse(text: str) -> None:
    print(f"palaver token: {text}", file=sys.stderr)
    raise typer.Exit(EXIT_USAGE)
