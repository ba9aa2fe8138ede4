"""The one REST call that a benchmark needs, over one kept connection."""

from __future__ import annotations

import http.client
import uuid
from types import TracebackType

import msgspec

from benchmarks.job import BenchmarkFailed

TIMEOUT_S = 30.0


class _Created(msgspec.Struct):
    conversation_id: str


class Rest:
    """A connection to Palaver's REST; use it in a `with`."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)

    def __enter__(self) -> Rest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._connection.close()

    def create_conversation(self, token: str, members: list[str]) -> str:
        """Create a conversation of the token's user and `members`; return its id; raises BenchmarkFailed."""
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid.uuid4()),
        }
        self._connection.request(
            "POST", "/v1/conversations", msgspec.json.encode({"members": members}), headers
        )
        response = self._connection.getresponse()
        body = response.read()
        if response.status != http.client.CREATED:
            raise BenchmarkFailed(
                f"POST /v1/conversations answered {response.status}: {body.decode(errors='replace')}"
            )
        return msgspec.json.decode(body, type=_Created).conversation_id
