"""Hub: who listens here to which channel. Each event is encoded once per wire and handed to bounded outboxes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from chat.broker import Ephemeral
from chat.errors import INSUFFICIENT_STATE, UNSUBSCRIBED, AlreadySubscribed, LimitExceeded, Unsubscribe
from chat.ids import USER_CHANNEL
from chat.models import AnyEvent, ConversationDeleted, MemberLeft, User
from chat.observer import Observer
from chat.outbox import Outbox
from chat.settings import Settings
from chat.store import Committed, News, ReadMark

HELD_MAX = 1_000
"""Events that wait for a subscription to begin; one more, and it has to be begun again."""

NEWS_TYPES = {
    "created": "conversation.created",
    "joined": "conversation.joined",
    "removed": "conversation.removed",
}

logger = logging.getLogger("palaver.hub")


class Wire(Protocol):
    """How pushes look on one kind of connection; encoded once, for all who listen that way."""

    def event(self, event: AnyEvent) -> bytes:
        """Write an event of a conversation, with its seq as offset."""

    def notice(self, channel: str, data: dict[str, Any]) -> bytes:
        """Write what has no offset."""

    def joined(self, channel: str, client: Client) -> bytes:
        """Write that a connection subscribed."""

    def left(self, channel: str, client: Client) -> bytes:
        """Write that a connection's subscription ended."""

    def unsubscribed(self, channel: str, why: Unsubscribe) -> bytes:
        """Write that the server ended a subscription."""


class Client:
    """One connection of one user: what it is called, how it is written to, and what it listens to.

    `restart` makes the client connect anew: the only way back to a subscription that it did not ask for itself.
    """

    __slots__ = ("id", "outbox", "restart", "subscriptions", "user", "wire")

    def __init__(
        self, id: str, user: User, wire: Wire, outbox: Outbox, restart: Callable[[], None] | None = None
    ) -> None:
        self.id = id
        self.user = user
        self.wire = wire
        self.outbox = outbox
        self.restart = restart
        self.subscriptions: dict[str, Subscription] = {}


class Wish(msgspec.Struct, frozen=True):
    """What a subscriber asked for beside the events: pushes of `join_leave`, and topics of ephemeral notices.

    `unasked` is a subscription that the token asked for, at connect.
    """

    join_leave: bool = False
    ephemeral: frozenset[str] = frozenset()
    unasked: bool = False


class Subscription:
    """One connection's place in a channel. Until `go_live`, what is published is held; afterwards it is handed on.

    `ended` is set when it ended, and `why` if the server did that; whoever is still setting it up must then refuse it.
    """

    __slots__ = ("_held", "channel", "client", "ended", "last_seq", "live", "why", "wish")

    def __init__(self, client: Client, channel: str, wish: Wish) -> None:
        self.client = client
        self.channel = channel
        self.wish = wish
        self.live = False
        self.ended = False
        self.why: Unsubscribe | None = None
        self.last_seq = 0
        self._held: list[tuple[int, bytes]] = []

    def offer(self, seq: int, push: bytes) -> bool:
        """Hand on the next event, drop an earlier one; False tells that one in between is missing, or too many wait."""
        if not self.live:
            self._held.append((seq, push))
            return len(self._held) <= HELD_MAX
        if seq == self.last_seq + 1:
            self.last_seq = seq
            self.client.outbox.push(push)
            return True
        return seq <= self.last_seq

    def go_live(self, last_seq: int) -> bool:
        """Hand on everything after `last_seq` that was held, and all that comes; False tells that one is missing."""
        self.live = True
        self.last_seq = last_seq
        held, self._held = self._held, []
        return all(self.offer(seq, push) for seq, push in held)


class Hub:
    """The channels of this process and their subscriptions."""

    def __init__(self, settings: Settings, observer: Observer) -> None:
        self._settings = settings
        self._observer = observer
        self._channels: dict[str, dict[Subscription, None]] = {}
        self.clients: dict[str, Client] = {}
        self._connections_of: dict[str, int] = {}

    @property
    def subscription_count(self) -> int:
        """Return how many subscriptions there are."""
        return sum(len(client.subscriptions) for client in self.clients.values())

    def connections_of(self, user: str) -> int:
        """Return how many connections a user has here."""
        return self._connections_of.get(user, 0)

    def enter(self, client: Client) -> None:
        """Take in a connection."""
        self.clients[client.id] = client
        self._connections_of[client.user.id] = self.connections_of(client.user.id) + 1

    def leave(self, client: Client) -> None:
        """Forget a connection and all its subscriptions, those too that began after it left."""
        for channel in list(client.subscriptions):
            self.unsubscribe(client, channel)
        if self.clients.pop(client.id, None) is None:
            return
        left = self._connections_of.pop(client.user.id) - 1
        if left:
            self._connections_of[client.user.id] = left

    def register(self, client: Client, channel: str, wish: Wish) -> Subscription:
        """Begin a subscription, held; raises AlreadySubscribed or LimitExceeded."""
        if channel in client.subscriptions:
            raise AlreadySubscribed
        if len(client.subscriptions) >= self._settings.channels_max:
            raise LimitExceeded(f"a connection has at most {self._settings.channels_max} subscriptions")
        subscription = Subscription(client, channel, wish)
        client.subscriptions[channel] = subscription
        self._channels.setdefault(channel, {})[subscription] = None
        return subscription

    def go_live(self, subscription: Subscription, last_seq: int) -> None:
        """Let a subscription flow from `last_seq` on, and tell the others who came."""
        if not subscription.go_live(last_seq):
            self.end(subscription, INSUFFICIENT_STATE)
        elif not subscription.channel.startswith(USER_CHANNEL):
            client = subscription.client
            self._tell(subscription, lambda wire: wire.joined(subscription.channel, client))

    def unsubscribe(self, client: Client, channel: str) -> bool:
        """End a subscription at the client's wish; False where there was none."""
        subscription = client.subscriptions.get(channel)
        if subscription is None:
            return False
        self._remove(subscription)
        return True

    def end(self, subscription: Subscription, why: Unsubscribe) -> None:
        """End a subscription from the server's side, once; nothing of its channel is pushed after the notice."""
        if subscription.ended:
            return
        subscription.why = why
        if (
            subscription.wish.unasked
            and why is INSUFFICIENT_STATE
            and subscription.client.restart is not None
        ):
            asyncio.get_running_loop().call_soon(subscription.client.restart)
        if subscription.live:
            subscription.client.outbox.push(subscription.client.wire.unsubscribed(subscription.channel, why))
        self._remove(subscription)

    def end_all(self, channels: Callable[[str], bool], why: Unsubscribe) -> None:
        """End every subscription of the channels that the predicate names."""
        for channel in [channel for channel in self._channels if channels(channel)]:
            for subscription in list(self._channels.get(channel, ())):
                self.end(subscription, why)

    def listeners(self, channel: str) -> Iterable[Subscription]:
        """Return who listens to a channel, in order of coming."""
        return tuple(self._channels.get(channel, ()))

    def channels(self) -> list[str]:
        """Name the channels that somebody listens to."""
        return list(self._channels)

    def committed(self, batch: Sequence[Committed]) -> None:
        """Hand on what became durable."""
        for committed in batch:
            for event in committed.events:
                self._event(event)
            for news in committed.news:
                self._news(news)
            if committed.read_by is not None and isinstance(committed.answer, ReadMark):
                mark = committed.answer
                self.ephemeral(Ephemeral(mark.conversation_id, "read", committed.read_by, mark.read_seq))

    def ephemeral(self, notice: Ephemeral) -> None:
        """Hand on what passes by, to whoever asked for its topic; the sender's own connections are spared it."""
        wanted = [
            subscription
            for subscription in self._channels.get(notice.channel, ())
            if notice.topic in subscription.wish.ephemeral and subscription.client.user.id != notice.user
        ]
        self._push(wanted, lambda wire: wire.notice(notice.channel, _data_of(notice)))

    def _event(self, event: AnyEvent) -> None:
        subscriptions = self._channels.get(event.conversation_id)
        if not subscriptions:
            return
        if isinstance(event, MemberLeft):
            self._end_of(event.conversation_id, event.user)
        encoded: dict[Wire, bytes] = {}
        missing = []
        seq, before = event.seq, event.seq - 1
        for subscription in subscriptions:
            client = subscription.client
            push = encoded.get(client.wire)
            if push is None:
                push = encoded[client.wire] = client.wire.event(event)
            if subscription.live and subscription.last_seq == before:  # nearly always; the rest is `offer`'s
                subscription.last_seq = seq
                client.outbox.push(push)
            elif not subscription.offer(seq, push):
                missing.append(subscription)
        self._observer.delivered(len(subscriptions))
        for subscription in missing:
            logger.warning(
                "a subscription missed an event and starts anew", extra={"channel": subscription.channel}
            )
            self.end(subscription, INSUFFICIENT_STATE)
        if isinstance(event, ConversationDeleted):
            for subscription in self.listeners(event.conversation_id):
                self.end(subscription, UNSUBSCRIBED)

    def _news(self, news: News) -> None:
        if news.kind == "removed":
            self._end_of(news.conversation_id, news.user)
        channel = USER_CHANNEL + news.user
        data = {"type": NEWS_TYPES[news.kind], "conversation_id": news.conversation_id}
        self._push(self._channels.get(channel, ()), lambda wire: wire.notice(channel, data))

    def _end_of(self, channel: str, user: str) -> None:
        for subscription in self.listeners(channel):
            if subscription.client.user.id == user:
                self.end(subscription, UNSUBSCRIBED)

    def _tell(self, about: Subscription, encode: Callable[[Wire], bytes]) -> None:
        others = [
            subscription
            for subscription in self._channels.get(about.channel, ())
            if subscription.wish.join_leave and subscription is not about
        ]
        self._push(others, encode)

    def _push(self, subscriptions: Iterable[Subscription], encode: Callable[[Wire], bytes]) -> None:
        encoded: dict[Wire, bytes] = {}
        for subscription in subscriptions:
            if not subscription.live:
                continue
            wire = subscription.client.wire
            if wire not in encoded:
                encoded[wire] = encode(wire)
            subscription.client.outbox.push(encoded[wire])

    def _remove(self, subscription: Subscription) -> None:
        subscription.ended = True
        subscription.client.subscriptions.pop(subscription.channel, None)
        subscriptions = self._channels.get(subscription.channel, {})
        subscriptions.pop(subscription, None)
        if not subscriptions:
            self._channels.pop(subscription.channel, None)
        elif subscription.live and not subscription.channel.startswith(USER_CHANNEL):
            client = subscription.client
            self._tell(subscription, lambda wire: wire.left(subscription.channel, client))


def _data_of(notice: Ephemeral) -> dict[str, Any]:
    data: dict[str, Any] = {"type": notice.topic, "conversation_id": notice.channel}
    if notice.user:
        data["user"] = notice.user
    for name in ("read_seq", "epoch", "replicated_seq"):
        value = getattr(notice, name)
        if value is not None:
            data[name] = value
    return data
