"""People of a crash test: each sends messages under stable keys and repeats each until it is acknowledged."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Iterator
from itertools import count
from typing import Any, Protocol

import httpx2

from tests.faults.follower import Follower
from tests.faults.ledger import Identity, Ledger
from tests.support.client import DisconnectedError, ReplyError, SocketClient
from tests.support.rest import RestClient

PAUSE_S = 0.03
BACKOFF_MIN_S = 0.2
BACKOFF_MAX_S = 0.5
ACK_TIMEOUT_S = 10.0
REPEATED = 0.05
EDITED = 0.1
TEMPORARY_STATUSES = {429, 500, 502, 503, 504}
Json = dict[str, Any]


class TryAgainError(Exception):
    """No answer, or a temporary one: the same draft must be sent again."""


class RefusedError(Exception):
    """An answer that another try will not change."""


class Door(Protocol):
    """How a person reaches the server. Each call raises TryAgainError or RefusedError."""

    @property
    def connected(self) -> bool:
        """Tell whether a connection stands."""

    async def send(self, conversation: str, key: str, content: str) -> Json:
        """Send a message and return its acknowledgement."""

    async def edit(self, conversation: str, key: str, seq: int, content: str) -> Json:
        """Edit a message and return the acknowledgement."""

    async def close(self) -> None:
        """Leave."""


class SocketDoor:
    """Sends by rpc over a socket that is made anew when it is gone, and follows the conversation over it."""

    def __init__(self, url: str, token: str, follower: Follower) -> None:
        self.follower = follower
        self.close_codes: list[int | None] = []
        self._url = url
        self._token = token
        self._socket: SocketClient | None = None

    @property
    def connected(self) -> bool:
        return self._socket is not None and not self._socket.closed and self.follower.subscribed

    async def send(self, conversation: str, key: str, content: str) -> Json:
        draft = {"conversation_id": conversation, "client_message_id": key, "content": content}
        return await self._call("send", draft)

    async def edit(self, conversation: str, key: str, seq: int, content: str) -> Json:
        draft = {"conversation_id": conversation, "idempotency_key": key, "seq": seq, "content": content}
        return await self._call("edit", draft)

    async def attend(self) -> None:
        """Make sure that the socket stands and the subscription with it."""
        try:
            if self._socket is None or self._socket.closed:
                await self._connect()
            if not self.follower.subscribed:
                await self._subscribe()
        except (DisconnectedError, TimeoutError, ReplyError) as error:
            await self.abort()
            raise TryAgainError(str(error)) from error

    async def attended(self) -> bool:
        """Try once to be connected and subscribed; tell whether it is so."""
        try:
            await self.attend()
        except TryAgainError:
            return False
        return self.connected

    async def abort(self) -> None:
        """Drop the connection without a word."""
        if self._socket is not None:
            await self._socket.abort()

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
            if self.follower.subscribed:
                self.close_codes.append(self._socket.close_code)
            self._socket = None

    async def _call(self, method: str, draft: Json) -> Json:
        await self.attend()
        assert self._socket is not None
        try:
            return await self._socket.rpc(method, draft, ACK_TIMEOUT_S)
        except ReplyError as error:
            raise (TryAgainError if error.temporary else RefusedError)(str(error)) from error
        except (DisconnectedError, TimeoutError) as error:
            await self.abort()
            raise TryAgainError(str(error)) from error

    async def _connect(self) -> None:
        await self.close()
        self.follower.subscribed = False
        self._socket = SocketClient(self._url, self._token, self._observe)
        await self._socket.connect()

    async def _subscribe(self) -> None:
        assert self._socket is not None
        await self._socket.subscribe(self.follower.conversation, **self.follower.claim())

    def _observe(self, channel: str, kind: str, item: Json) -> None:
        if channel == self.follower.conversation:
            self.follower.observe(kind, item)


class RestDoor:
    """Sends over REST and follows nothing."""

    connected = False

    def __init__(self, url: str, token: str) -> None:
        self._rest = RestClient(url, token, ACK_TIMEOUT_S)

    async def send(self, conversation: str, key: str, content: str) -> Json:
        draft = {"client_message_id": key, "content": content}
        return await self._call("POST", f"/v1/conversations/{conversation}/messages", draft)

    async def edit(self, conversation: str, key: str, seq: int, content: str) -> Json:
        draft = {"idempotency_key": key, "content": content}
        return await self._call("PATCH", f"/v1/conversations/{conversation}/messages/{seq}", draft)

    async def close(self) -> None:
        await self._rest.close()

    async def _call(self, method: str, address: str, draft: Json) -> Json:
        try:
            response = await self._rest.http.request(method, address, json=draft)
        except httpx2.TransportError as error:
            raise TryAgainError(repr(error)) from error
        if response.status_code in TEMPORARY_STATUSES:
            raise TryAgainError(response.text)
        if response.is_error:
            raise RefusedError(response.text)
        answer: Json = response.json()
        return answer


class Person:
    """One sender. Now and then it repeats what was acknowledged, or edits its last message (`edited` of the times)."""

    def __init__(
        self,
        name: str,
        conversation: str,
        door: Door,
        ledger: Ledger,
        chance: random.Random,
        edited: float = EDITED,
    ) -> None:
        self.name = name
        self.door = door
        self.retries = 0
        self.last_trouble = ""
        self._conversation = conversation
        self._ledger = ledger
        self._chance = chance
        self._edited = edited
        self._keys = self._new_keys()

    async def talk(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set; what was begun is brought to its acknowledgement."""
        while not stop.is_set():
            identity, seq = await self._say()
            if self._chance.random() < REPEATED:
                await self._until_acked(identity, 0, self._ledger.drafts[identity])
            if seq and self._chance.random() < self._edited:
                await self._revise(seq)
            await asyncio.sleep(self._chance.uniform(0, PAUSE_S))

    async def _say(self) -> tuple[Identity, int]:
        identity = self._next_identity()
        content = f"{self.name} says {identity.key}"
        self._ledger.sent(identity, content)
        return identity, await self._until_acked(identity, 0, content)

    async def _revise(self, seq: int) -> None:
        identity = self._next_identity()
        content = f"{self.name} means {identity.key}"
        self._ledger.sent(identity, content)
        await self._until_acked(identity, seq, content)

    async def _until_acked(self, identity: Identity, seq: int, content: str) -> int:
        """Repeat a draft until it is answered for good; `seq` names a message to edit, 0 sends a new one."""
        backoff_s = BACKOFF_MIN_S
        while True:
            try:
                ack = await self._try(identity, seq, content)
            except TryAgainError as error:
                self.retries += 1
                self.last_trouble = str(error)
                await asyncio.sleep(self._chance.uniform(0, backoff_s))
                backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)
            except RefusedError as error:
                self._ledger.refused(identity, str(error))
                return 0
            else:
                self._ledger.acked(identity, ack)
                return int(ack["seq"])

    async def _try(self, identity: Identity, seq: int, content: str) -> Json:
        if seq:
            return await self.door.edit(identity.conversation, identity.key, seq, content)
        return await self.door.send(identity.conversation, identity.key, content)

    def _next_identity(self) -> Identity:
        return Identity(self._conversation, self.name, next(self._keys))

    def _new_keys(self) -> Iterator[str]:
        # Both kinds of key that the database stores in its own way: UUIDs and any other text.
        for number in count(1):
            yield str(uuid.UUID(int=self._chance.getrandbits(128))) if number % 2 else f"key {number} é"
