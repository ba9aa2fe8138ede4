"""Live: the server that runs on these settings, asked by a command over its own routes for operators."""

from __future__ import annotations

from typing import Any

import httpx2

from chat.auth import load_secret, mint
from chat.settings import Settings

OPERATOR = "operator"
TOKEN_TTL_S = 300
ASK_TIMEOUT_S = 30.0


class NotRunning(Exception):
    """No server answers where these settings say; the message says where that is, and what to do."""


class Refused(Exception):
    """The server answered with a problem; the message is its detail."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Live:
    """The running server of one data folder. `token` is used where the server's tokens are not signed by its secret."""

    def __init__(self, settings: Settings, token: str = "") -> None:
        self._settings = settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"http://{host}:{settings.port}"
        self._token = token

    def get(self, path: str, timeout_s: float = ASK_TIMEOUT_S) -> Any:
        """Read a route; raises NotRunning or Refused."""
        return self._ask("GET", path, None, timeout_s)

    def post(self, path: str, body: object, timeout_s: float = ASK_TIMEOUT_S) -> Any:
        """Ask for something to be done; raises NotRunning or Refused."""
        return self._ask("POST", path, body, timeout_s)

    def _ask(self, method: str, path: str, body: object, timeout_s: float) -> Any:
        try:
            answer = httpx2.request(
                method,
                self.url + path,
                json=body,
                headers={"Authorization": f"Bearer {self._token or self._minted()}"},
                timeout=timeout_s,
                trust_env=False,
            )
        except httpx2.TransportError as error:
            raise NotRunning(
                f"no server answers at {self.url} ({error}). Start it with palaver serve, or set PALAVER_HOST and "
                "PALAVER_PORT to where it listens."
            ) from error
        if answer.is_error:
            raise Refused(answer.status_code, _detail(answer))
        return answer.json() if answer.content else None

    def _minted(self) -> str:
        settings = self._settings
        secret = load_secret(settings)
        return mint(
            secret,
            OPERATOR,
            TOKEN_TTL_S,
            ("ops",),
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
        )


def _detail(answer: httpx2.Response) -> str:
    try:
        problem = answer.json()
        return str(problem.get("detail") or problem.get("title") or answer.reason_phrase)
    except (ValueError, AttributeError):
        return f"{answer.status_code} {answer.reason_phrase}"
