"""The check of positions: whoever fell behind starts anew, whoever is no member any more is shown out."""

from __future__ import annotations

import asyncio

import pytest

from chat.errors import Unavailable
from chat.positions import Positions
from tests.support.cores import core_on
from tests.support.fake_store import FakeStore
from tests.support.listening import Ear, PlainWire
from tests.support.waiting import until

HERE = "main:00000000-0000-7000-8000-000000000001"
THERE = "main:00000000-0000-7000-8000-000000000002"


class Round:
    """A store with three events, of which nobody was told, and listeners at positions of their own."""

    def __init__(self) -> None:
        self.store = FakeStore()
        for _ in range(3):
            self.store.say(HERE)
        self.core = core_on(self.store, position_check_s=0.1)
        self.positions = Positions(self.core)

    def listener(self, user: str, last_seq: int, channel: str = HERE) -> Ear:
        ear = Ear(user, PlainWire())
        ear.listen(self.core.hub, channel, last_seq)
        return ear


@pytest.fixture
async def checks() -> Round:
    return Round()


async def test_whoever_is_behind_starts_anew_and_nobody_else(checks: Round) -> None:
    level, behind = checks.listener("alice", 3), checks.listener("bob", 2)
    await checks.positions.check(HERE)
    assert behind.heard == []  # an event that was just committed may still be on its way
    await until(lambda: behind.heard, "the end of the subscription")
    assert behind.heard == ["unsubscribed 2500"]
    assert level.heard == []


async def test_whoever_catches_up_in_time_is_left_alone(checks: Round) -> None:
    ear = checks.listener("bob", 2)
    await checks.positions.check(HERE)
    subscription = ear.client.subscriptions[HERE]
    assert subscription.offer(3, b"event 3")
    ended = checks.listener("carol", 2)
    await checks.positions.check(HERE)
    await until(lambda: ended.heard, "the end of another subscription, which was found later")
    assert ear.heard == ["event 3"]


async def test_whoever_is_no_member_any_more_is_shown_out(checks: Round) -> None:
    ear = checks.listener("bob", 3)
    checks.store.people = {"alice"}
    await checks.positions.check(HERE)
    assert ear.heard == ["unsubscribed 2000"]


async def test_a_subscription_that_ended_during_the_check_is_not_ended_twice(checks: Round) -> None:
    ear = checks.listener("bob", 3)
    checks.store.people = {"alice"}
    checks.store.read_gate.clear()
    check = asyncio.create_task(checks.positions.check(HERE))
    await checks.store.reading.wait()
    checks.core.hub.unsubscribe(ear.client, HERE)
    ear.listen(checks.core.hub, HERE, 3)
    checks.store.read_gate.set()
    await check
    assert ear.heard == []
    assert HERE in ear.client.subscriptions


async def test_a_database_that_cannot_be_read_ends_nothing(checks: Round) -> None:
    ear = checks.listener("bob", 1)

    def fail() -> None:
        raise Unavailable

    checks.store.after_read = fail
    await checks.positions.check(HERE)
    assert ear.heard == []


async def test_a_check_that_breaks_does_not_end_the_round(checks: Round) -> None:
    broken: list[str] = []

    def fail() -> None:
        broken.append("once")
        if len(broken) == 1:
            raise ZeroDivisionError

    checks.store.after_read = fail
    behind = checks.listener("bob", 2)
    walking = asyncio.create_task(checks.positions.run())
    await until(lambda: behind.heard, "the end of the subscription")
    walking.cancel()
    await asyncio.wait([walking])
    assert len(broken) > 1


async def test_channels_without_listeners_or_positions_are_passed_over(checks: Round) -> None:
    await checks.positions.check(THERE)
    assert not checks.store.reading.is_set()


async def test_the_round_goes_on_until_it_is_cancelled(checks: Round) -> None:
    own, behind = checks.listener("bob", 0, "user:bob"), checks.listener("bob", 2)
    walking = asyncio.create_task(checks.positions.run())
    await until(lambda: behind.heard, "the end of the subscription")
    walking.cancel()
    await asyncio.wait([walking])
    assert walking.cancelled()
    assert own.heard == []
