"""SocketCommands: what each command of the Centrifuge protocol does on one connection."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
import uuid_utils

from chat import subscribing
from chat.core import Core
from chat.endpoints.history import read_history
from chat.errors import (
    BAD_REQUEST,
    CONNECTION_LIMIT,
    EXPIRED,
    INSUFFICIENT,
    INVALID_TOKEN,
    SUBSCRIPTION_EXPIRED,
    TOO_MANY_REQUESTS,
    Disconnect,
    NotAvailable,
    Problem,
    Unauthorized,
    Unknown,
    UnrecoverablePosition,
)
from chat.hub import Client, Wish
from chat.ids import USER_CHANNEL
from chat.models import User
from chat.outbox import Outbox
from chat.protocols import centrifuge_requests as requests
from chat.protocols.centrifuge_json import encode_result, reply
from chat.protocols.centrifuge_results import (
    ConnectResult,
    PresenceResult,
    PresenceStatsResult,
    RefreshResult,
    Result,
    SubRefreshResult,
    SubscribeResult,
)
from chat.protocols.centrifuge_wire import CentrifugeJson, client_info
from chat.protocols.rpc import decode_rpc
from chat.protocols.subscriptions import TOPICS, read_subscribe_data, subscribed
from chat.session import Session
from chat.subscribing import Begun
from chat.timeline import Claim
from chat.writer import Settled

VERSION = "palaver"
TTL_MAX_S = 2**31 - 1  # the protocol has 32 bits; a timer, too, is no longer than this
WIRE = CentrifugeJson()

logger = logging.getLogger("palaver.websocket")


class SocketCommands:
    """The commands of one connection. `connected` turns true with the first, which tells who speaks."""

    def __init__(self, core: Core, outbox: Outbox, close: Callable[[Disconnect], None], address: str) -> None:
        self._core = core
        self._outbox = outbox
        self._close = close
        self._address = address
        self._client: Client | None = None
        self._session: Session | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._expiries: dict[str, asyncio.TimerHandle] = {}

    @property
    def connected(self) -> bool:
        """Tell whether the connect command was accepted."""
        return self._session is not None

    def stop(self) -> None:
        """Leave the hub: nothing is handed to this connection any more."""
        for timer in (self._expiry, *self._expiries.values()):
            if timer is not None:
                timer.cancel()
        if self._client is None:
            return
        if self._client.id in self._core.hub.clients:
            logger.info("disconnected", extra={"client": self._client.id, "user": self._client.user.id})
        self._core.hub.leave(self._client)

    def admit(self) -> None:
        """Count a command that is no method call against its user's rate; raises TooManyRequests over it."""
        if self._session is not None:
            self._session.admit()

    def call(self, rpc: requests.Rpc, settled: Settled) -> Awaitable[Any] | None:
        """Start a method; see Session.start. What is none counts against the rate all the same."""
        assert self._session is not None
        try:
            command = decode_rpc(rpc.method, rpc.data, self._session.user.id)
        except Problem:
            self._session.admit()
            raise
        return self._session.start(command, settled)

    async def connect(self, id: int, command: requests.Connect) -> None:
        """Let the user of the token in, and subscribe him to his own channel."""
        if self.connected:
            self._close(BAD_REQUEST)
            return
        user = await self._authenticate(command.token)
        if user is None:
            return
        if self._core.hub.connections_of(user.id) >= self._core.settings.connections_per_user_max:
            self._close(CONNECTION_LIMIT)
            return
        restart = partial(self._close, INSUFFICIENT)
        self._client = client = Client(str(uuid_utils.uuid7()), user, WIRE, self._outbox, restart)
        self._core.hub.enter(client)
        self._session = self._core.session(user, client)
        logger.info("connected", extra={"client": client.id, "user": user.id, "address": self._address})
        expires, ttl_s = self._watch_expiry(user)
        begun = await self._begin_own(client, command)
        result = ConnectResult(
            client=client.id,
            version=VERSION,
            expires=expires,
            ttl=ttl_s,
            subs={each.subscription.channel: self._subscribed(each) for each in begun},
            ping=max(1, round(self._core.settings.ping_interval_s)),
            pong=True,
            time=time.time_ns() // 1_000_000,
        )
        self._reply(id, command.kind, result)
        for each in begun:
            self._core.hub.go_live(each.subscription, each.last_seq)

    async def _begin_own(self, client: Client, command: requests.Connect) -> list[Begun]:
        """Begin what a client need not ask for: his own channel, and those of his token that are his."""
        begun = [await subscribing.begin(self._core, client, USER_CHANNEL + client.user.id, None, Wish())]
        channels = client.user.channels
        for channel in channels:
            wish = command.subs.get(channel, requests.Wish())
            try:
                claim, share = _claim(wish), len(channels)
                begun.append(
                    await subscribing.begin(self._core, client, channel, claim, Wish(unasked=True), share)
                )
            except Problem as problem:
                logger.info(
                    "a token's channel is not served", extra={"channel": channel, "why": problem.name}
                )
        # One may have ended while a later one was read: it must not be told as begun, since nothing would follow.
        return [each for each in begun if not each.subscription.ended]

    async def subscribe(self, id: int, command: requests.Subscribe) -> None:
        """Begin to hand on a channel, from where the client left it if the rule of the timeline allows."""
        client = self._here()
        if command.type:
            raise NotAvailable("there is no such type of subscription")
        data = read_subscribe_data(command.data)
        claim = _claim(command)
        expires_s = await self._subscription_expiry(command.token, client.user, command.channel)
        wish = Wish(command.join_leave, frozenset(data.ephemeral) & TOPICS)
        begun = await subscribing.begin(self._core, client, command.channel, claim, wish)
        if (
            begun.found is not None
            and command.rejects_unrecovered
            and claim is not None
            and not begun.found.recovered
        ):
            self._core.hub.unsubscribe(client, command.channel)
            raise UnrecoverablePosition
        result = self._subscribed(begun)
        self._forget_expiry(command.channel)
        if expires_s:
            ttl_s = self._watch_subscription(command.channel, expires_s)
            result = msgspec.structs.replace(result, expires=True, ttl=ttl_s)
        self._reply(id, command.kind, result)
        self._core.hub.go_live(begun.subscription, begun.last_seq)

    async def unsubscribe(self, id: int, command: requests.Unsubscribe) -> None:
        """Stop handing on a channel; stopping twice is the same as once."""
        self._core.hub.unsubscribe(self._here(), command.channel)
        self._forget_expiry(command.channel)
        self._reply(id, command.kind, Result())

    async def publish(self, id: int, command: requests.Publish) -> None:
        """Refuse: a publication carries no key, so that it could not be sent exactly once."""
        raise NotAvailable("publish carries no key: use the rpc `send`, or `typing`")

    async def presence(self, id: int, command: requests.Presence) -> None:
        """Tell which connections listen to a channel that this one listens to."""
        listeners = self._listeners(command.channel)
        self._reply(
            id, command.kind, PresenceResult(presence={each.id: client_info(each) for each in listeners})
        )

    async def presence_stats(self, id: int, command: requests.PresenceStats) -> None:
        """Count who listens to a channel that this one listens to."""
        listeners = self._listeners(command.channel)
        users = {each.user.id for each in listeners}
        self._reply(id, command.kind, PresenceStatsResult(num_clients=len(listeners), num_users=len(users)))

    async def history(self, id: int, command: requests.History) -> None:
        """Read publications after a position, or before it in reverse; without a limit, tell the position alone."""
        result = await read_history(self._core, self._here().user, command)
        self._reply(id, command.kind, result)

    async def ping(self, id: int, command: requests.Ping) -> None:
        """Answer, and say nothing."""
        self._reply(id, command.kind, Result())

    async def send(self, id: int, command: requests.Send) -> None:
        """Take no notice: an asynchronous message has no meaning here."""

    async def refresh(self, id: int, command: requests.Refresh) -> None:
        """Go on with a newer token of the same user."""
        client = self._here()
        user = await self._authenticate(command.token)
        if user is None:
            return
        if user.id != client.user.id:
            self._close(INVALID_TOKEN)
            return
        client.user = user
        self._session = self._core.session(user, client)
        expires, ttl_s = self._watch_expiry(user)
        result = RefreshResult(client=client.id, version=VERSION, expires=expires, ttl=ttl_s)
        self._reply(id, command.kind, result)

    async def sub_refresh(self, id: int, command: requests.SubRefresh) -> None:
        """Go on with a newer token of a subscription."""
        client = self._here()
        if command.channel not in client.subscriptions:
            raise Unknown
        expires_s = await self._subscription_expiry(command.token, client.user, command.channel)
        ttl_s = self._watch_subscription(command.channel, expires_s) if expires_s else 0
        self._reply(id, command.kind, SubRefreshResult(expires=bool(expires_s), ttl=ttl_s))

    def _here(self) -> Client:
        assert self._client is not None
        return self._client

    def _subscribed(self, begun: Begun) -> SubscribeResult:
        """Write how a subscription begins, with the watermark of this moment: its moves are pushed from now on."""
        found, channel = begun.found, begun.subscription.channel
        if found is None:
            return SubscribeResult()
        watermark = self._core.file_of(channel).watermark
        return subscribed(found, begun.claim, watermark.seq_of(channel, found.epoch, found.top))

    def _reply(self, id: int, kind: str, result: Result) -> None:
        self._outbox.push(reply(id, kind, encode_result(result)))

    async def _authenticate(self, token: str) -> User | None:
        """Return the token's user; close where it is no good; raises TokenExpired for who may have a newer one."""
        try:
            return await self._core.authenticator.authenticate(token)
        except Unauthorized:
            # Whoever shares the guesser's address and has a good token is not locked out with him.
            wait_s = self._core.logins.take(self._address)
            self._close(TOO_MANY_REQUESTS if wait_s else INVALID_TOKEN)
            return None

    def _watch_expiry(self, user: User) -> tuple[bool, int]:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if not user.expires_s:
            return False, 0
        ttl_s = _ttl_s(user.expires_s)
        grace_s = self._core.settings.expired_grace_s
        self._expiry = asyncio.get_running_loop().call_later(ttl_s + grace_s, self._close, EXPIRED)
        return True, ttl_s

    async def _subscription_expiry(self, token: str, user: User, channel: str) -> int:
        return await self._core.authenticator.subscription(token, user, channel) if token else 0

    def _watch_subscription(self, channel: str, expires_s: int) -> int:
        self._forget_expiry(channel)
        ttl_s = _ttl_s(expires_s)
        after_s = ttl_s + self._core.settings.expired_grace_s
        self._expiries[channel] = asyncio.get_running_loop().call_later(
            after_s, self._end_subscription, channel
        )
        return ttl_s

    def _forget_expiry(self, channel: str) -> None:
        if channel in self._expiries:
            self._expiries.pop(channel).cancel()

    def _end_subscription(self, channel: str) -> None:
        self._expiries.pop(channel, None)
        subscription = self._here().subscriptions.get(channel)
        if subscription is not None:
            self._core.hub.end(subscription, SUBSCRIPTION_EXPIRED)

    def _listeners(self, channel: str) -> list[Client]:
        subscription = self._here().subscriptions.get(channel)
        if subscription is None or not subscription.live:
            raise Unknown
        return [each.client for each in self._core.hub.listeners(channel) if each.live]


Answering = Callable[[SocketCommands, int, Any], Awaitable[None]]

ANSWERS: dict[type, Answering] = {
    requests.Connect: SocketCommands.connect,
    requests.Subscribe: SocketCommands.subscribe,
    requests.Unsubscribe: SocketCommands.unsubscribe,
    requests.Publish: SocketCommands.publish,
    requests.Presence: SocketCommands.presence,
    requests.PresenceStats: SocketCommands.presence_stats,
    requests.History: SocketCommands.history,
    requests.Ping: SocketCommands.ping,
    requests.Send: SocketCommands.send,
    requests.Refresh: SocketCommands.refresh,
    requests.SubRefresh: SocketCommands.sub_refresh,
}


def _claim(wish: requests.Wish) -> Claim | None:
    if not wish.recover:
        return None
    return Claim(wish.epoch, wish.offset, read_subscribe_data(wish.data).seen)


def _ttl_s(expires_s: int) -> int:
    """Return the seconds until then, as the protocol can say them: at least 1, at most TTL_MAX_S."""
    return min(max(1, round(expires_s - time.time())), TTL_MAX_S)
