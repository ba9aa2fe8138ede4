"""REST as one user sees it, for tests: the calls that they need, with answers as plain dicts."""

from __future__ import annotations

import uuid
from typing import Any

import httpx2

from tests.support.tokens import bearer

TIMEOUT_S = 30.0
PAGE_LIMIT = 200
Json = dict[str, Any]


class RestClient:
    """One user at one server. A refusal raises httpx2.HTTPStatusError; `http` is there for all else."""

    def __init__(self, url: str, token: str, timeout_s: float = TIMEOUT_S) -> None:
        self.http = httpx2.AsyncClient(
            base_url=url, headers=bearer(token), timeout=timeout_s, trust_env=False, verify=False
        )

    async def __aenter__(self) -> RestClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    async def create_conversation(self, *members: str, key: str | None = None, **fields: Any) -> str:
        """Create a conversation with `members` and return its id."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        wanted = {"members": members, **fields}
        response = await self.http.post("/v1/conversations", json=wanted, headers=headers)
        return str(self._checked(response)["conversation_id"])

    async def send(self, conversation: str, content: str, key: str | None = None, **fields: Any) -> Json:
        """Send a message, under a key of its own unless one is given, and return its acknowledgement."""
        draft = {"client_message_id": key or str(uuid.uuid4()), "content": content, **fields}
        return self._checked(await self.http.post(f"/v1/conversations/{conversation}/messages", json=draft))

    async def edit(self, conversation: str, seq: int, content: str, key: str | None = None) -> Json:
        """Give a message another text and return the acknowledgement."""
        headers = {"Idempotency-Key": key} if key else {}
        address = f"/v1/conversations/{conversation}/messages/{seq}"
        return self._checked(await self.http.patch(address, json={"content": content}, headers=headers))

    async def page(self, conversation: str, **query: int) -> Json:
        """Return one page of messages: the newest, or `before`, `after`, `around` a seq; `limit` items."""
        return self._checked(await self.http.get(f"/v1/conversations/{conversation}/messages", params=query))

    async def messages(self, conversation: str) -> list[Json]:
        """Return all messages, oldest first, page by page."""
        page = await self.page(conversation, after=0, limit=PAGE_LIMIT)
        items: list[Json] = page["items"]
        while page["next"]:
            page = self._checked(await self.http.get(page["next"]))
            items.extend(page["items"])
        return items

    async def events(self, conversation: str) -> list[Json]:
        """Return all events from the first on, page by page."""
        items: list[Json] = []
        while True:
            query = {"epoch": items[-1]["epoch"] if items else "", "offset": len(items), "limit": PAGE_LIMIT}
            response = await self.http.get(f"/v1/conversations/{conversation}/events", params=query)
            page = self._checked(response)
            items.extend(page["items"])
            if not page["next"] or not page["items"]:
                return items

    async def ready(self) -> httpx2.Response:
        """Return the answer of /readyz, whatever its status."""
        return await self.http.get("/readyz")

    def _checked(self, response: httpx2.Response) -> Json:
        response.raise_for_status()
        answer: Json = response.json()
        return answer
