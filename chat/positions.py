"""Positions: now and then holds what subscribers were given against the database, and their membership too."""

from __future__ import annotations

import asyncio
import logging

from chat.core import Core
from chat.errors import INSUFFICIENT_STATE, UNSUBSCRIBED, Problem, Unknown
from chat.hub import Subscription
from chat.ids import USER_CHANNEL

CHECKS_PER_S_MAX = 10
SECOND_LOOK_S = 1.0

logger = logging.getLogger("palaver.recovery")


class Positions:
    """Goes round all channels once per interval, and slower when there are more than CHECKS_PER_S_MAX allow."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await asyncio.sleep(self._core.settings.position_check_s)
            for channel in self._core.hub.channels():
                if not channel.startswith(USER_CHANNEL):
                    await self._check_calmly(channel)
                    await asyncio.sleep(1 / CHECKS_PER_S_MAX)

    async def check(self, channel: str) -> None:
        """Compare one channel's subscriptions with the top; what was read before it was handed on does not count."""
        listeners = [each for each in self._core.hub.listeners(channel) if each.live]
        if not listeners:
            return
        try:
            top = await self._top(listeners[0])
        except Problem:
            return
        await asyncio.sleep(0)
        for subscription in listeners:
            if subscription.live and not subscription.ended and subscription.last_seq < top:
                self._suspect(subscription, top)

    async def _check_calmly(self, channel: str) -> None:
        try:
            await self.check(channel)
        except Exception:
            logger.exception("the position of a channel could not be checked", extra={"channel": channel})

    async def _top(self, subscription: Subscription) -> int:
        store = self._core.file_of(subscription.channel).store
        user = subscription.client.user.id
        try:
            found = await store.recover(user, subscription.channel, None, 0, 0)
        except Unknown:
            self._core.hub.end(subscription, UNSUBSCRIBED)
            raise
        return found.top.seq

    def _suspect(self, subscription: Subscription, top: int) -> None:
        """Look again a little later: an event that was just committed may be on its way."""
        loop = asyncio.get_running_loop()
        loop.call_later(SECOND_LOOK_S, self._judge, subscription, top)

    def _judge(self, subscription: Subscription, top: int) -> None:
        if not subscription.ended and subscription.last_seq < top:
            logger.error(
                "a subscription fell behind and starts anew", extra={"channel": subscription.channel}
            )
            self._core.hub.end(subscription, INSUFFICIENT_STATE)
