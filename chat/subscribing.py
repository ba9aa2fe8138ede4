"""How a subscription begins: register, read, reply, go live, so that no event falls between the page and the stream."""

from __future__ import annotations

import logging

import msgspec

from chat.core import Core
from chat.errors import UNSUBSCRIBED, Problem, Unavailable, Unknown
from chat.hub import Client, Subscription, Wish
from chat.ids import USER_CHANNEL
from chat.store import Recovered
from chat.timeline import Claim

logger = logging.getLogger("palaver.recovery")


class Begun(msgspec.Struct, frozen=True):
    """A subscription that is registered and held, and what its subscriber gets first.

    `found` is None for a user's own channel, which has no positions; `claim` is where the subscriber wanted to go on.
    """

    subscription: Subscription
    found: Recovered | None
    claim: Claim | None = None

    @property
    def last_seq(self) -> int:
        """Name the seq after which the stream goes on."""
        return 0 if self.found is None else self.found.top.seq


async def begin(
    core: Core, client: Client, channel: str, claim: Claim | None, wish: Wish, share: int = 1
) -> Begun:
    """Register and read; the caller replies and lets the hub go live, without an await between.

    `share` is how many subscriptions begin in one reply, and divide what a recovery may send.

    Raises AlreadySubscribed, LimitExceeded, Unknown for a channel that is not there or not the user's, or Unavailable
    where it was interrupted.
    """
    if channel.startswith(USER_CHANNEL):
        if channel != USER_CHANNEL + client.user.id:
            raise Unknown
        return Begun(core.hub.register(client, channel, Wish()), None)
    store = core.file_of(channel).store
    subscription = core.hub.register(client, channel, wish)
    settings = core.settings
    try:
        found = await store.recover(
            client.user.id, channel, claim, settings.recover_events_max, settings.recover_bytes_max // share
        )
        if subscription.ended:
            raise _ended(subscription)
    except BaseException:
        core.hub.unsubscribe(client, channel)
        raise
    if claim is not None:
        found = _judge(core, channel, claim, found)
    return Begun(subscription, found, claim)


def _ended(subscription: Subscription) -> Problem:
    """Say why a subscription ended before it began: for good, or so that the client tries again."""
    if subscription.why is None or subscription.why is UNSUBSCRIBED:
        return Unknown()
    return Unavailable("the subscription was interrupted; try again")


def _judge(core: Core, channel: str, claim: Claim, found: Recovered) -> Recovered:
    """Send all that was missed or nothing of it; count how it ended; raise the alarm if the database lost events."""
    if found.beyond_top:
        core.observer.recovered("beyond_top")
        logger.error(
            "a client saw events that the database does not have",
            extra={"channel": channel, "offset": claim.offset, "top": found.top.seq},
        )
    elif found.more:
        core.observer.recovered("too_many")
        return msgspec.structs.replace(found, recovered=False, events=[])
    else:
        core.observer.recovered("recovered" if found.recovered else "reload")
    return found
