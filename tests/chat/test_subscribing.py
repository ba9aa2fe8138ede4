"""A subscription begins with register, read, reply, live: what is committed in between comes exactly once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chat import subscribing
from chat.core import Core
from chat.errors import (
    INSUFFICIENT_STATE,
    UNSUBSCRIBED,
    AlreadySubscribed,
    LimitExceeded,
    Unavailable,
    Unknown,
)
from chat.hub import Wish
from chat.store import Committed, Sent
from chat.timeline import Claim
from tests.support.cores import core_on
from tests.support.fake_store import EPOCH, FakeStore
from tests.support.listening import Ear, PlainWire

HERE = "main:00000000-0000-7000-8000-000000000001"


class Door:
    """A client that subscribes, as the socket does: it replies and goes live without an await between."""

    def __init__(self, **settings: Any) -> None:
        self.store = FakeStore()
        self.core: Core = core_on(self.store, **settings)
        self.ear = Ear("bob", PlainWire())
        self.core.hub.enter(self.ear.client)
        self.recovered: list[int] = []

    async def subscribe(self, claim: Claim | None) -> subscribing.Begun:
        begun = await subscribing.begin(self.core, self.ear.client, HERE, claim, Wish())
        assert begun.found is not None
        self.recovered = [event.seq for event in begun.found.events]
        self.core.hub.go_live(begun.subscription, begun.last_seq)
        return begun

    def commit(self, *, publishes: bool = True) -> None:
        """Store an event and publish it, or let it be published later."""
        event = self.store.say(HERE)
        answer = Sent(
            conversation_id=HERE, seq=event.seq, epoch=EPOCH, version="e.1", created_at=1, duplicate=False
        )
        if publishes:
            self.core.hub.committed([Committed(answer, (event,))])

    def publish(self, seq: int) -> None:
        event = self.store.events[seq - 1]
        answer = Sent(
            conversation_id=HERE, seq=seq, epoch=EPOCH, version="e.1", created_at=1, duplicate=False
        )
        self.core.hub.committed([Committed(answer, (event,))])

    @property
    def pushed(self) -> list[int]:
        return [int(push.removeprefix("event ")) for push in self.ear.heard]


@pytest.fixture
async def door() -> Door:
    return Door()


@pytest.mark.parametrize("claim", [None, Claim(EPOCH, 1)])
async def test_what_is_committed_between_the_steps_comes_exactly_once(
    door: Door, claim: Claim | None
) -> None:
    door.commit()
    door.commit()
    door.store.read_gate.clear()
    subscribing_task = asyncio.create_task(door.subscribe(claim))
    await door.store.reading.wait()
    door.commit()  # published after the registration, and seen by the read
    door.commit(publishes=False)  # seen by the read, published after it
    door.store.after_read = lambda: door.commit()  # published between read and reply, not seen by the read
    door.store.read_gate.set()
    begun = await subscribing_task
    assert begun.last_seq == 4
    assert door.recovered == ([] if claim is None else [2, 3, 4])
    assert door.pushed == [5]
    door.publish(4)
    door.commit()
    assert door.pushed == [5, 6]


async def test_a_publication_from_before_the_registration_is_no_repeat(door: Door) -> None:
    door.commit(publishes=False)
    await door.subscribe(Claim("", 0))
    door.publish(1)
    assert (door.recovered, door.pushed) == ([1], [])


async def test_nothing_is_pushed_before_the_reply(door: Door) -> None:
    begun = await subscribing.begin(door.core, door.ear.client, HERE, None, Wish())
    door.commit()
    assert door.pushed == []
    door.core.hub.go_live(begun.subscription, begun.last_seq)
    assert door.pushed == [1]


async def test_more_than_fits_is_not_recovered_and_no_part_of_it_is_sent() -> None:
    door = Door(recover_events_max=2)
    for _ in range(3):
        door.commit()
    begun = await door.subscribe(Claim("", 0))
    assert begun.found is not None
    assert (begun.found.recovered, begun.found.events) == (False, [])
    assert begun.last_seq == 3


async def test_a_position_beyond_the_top_raises_an_alarm(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    begun = await door.subscribe(Claim(EPOCH, 7))
    assert begun.found is not None
    assert not begun.found.recovered
    assert "a client saw events that the database does not have" in caplog.text


async def test_whoever_is_removed_while_he_subscribes_is_refused(door: Door) -> None:
    door.store.read_gate.clear()
    task = asyncio.create_task(door.subscribe(None))
    await door.store.reading.wait()
    door.core.hub.end(door.ear.client.subscriptions[HERE], UNSUBSCRIBED)
    door.store.read_gate.set()
    with pytest.raises(Unknown):
        await task
    assert door.ear.client.subscriptions == {}


async def test_whoever_may_have_missed_something_while_he_subscribes_is_asked_to_try_again(
    door: Door,
) -> None:
    door.store.read_gate.clear()
    task = asyncio.create_task(door.subscribe(None))
    await door.store.reading.wait()
    door.core.hub.end_all(lambda channel: True, INSUFFICIENT_STATE)
    door.store.read_gate.set()
    with pytest.raises(Unavailable):
        await task
    await door.subscribe(None)


async def test_a_refused_or_cancelled_subscription_leaves_nothing(door: Door) -> None:
    door.store.people = {"alice"}
    with pytest.raises(Unknown):
        await door.subscribe(None)
    door.store.read_gate.clear()
    task = asyncio.create_task(door.subscribe(None))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert door.ear.client.subscriptions == {}
    assert door.core.hub.channels() == []


async def test_a_users_own_channel_has_no_position_and_belongs_to_him_alone(door: Door) -> None:
    begun = await subscribing.begin(door.core, door.ear.client, "user:bob", None, Wish())
    assert (begun.found, begun.last_seq) == (None, 0)
    for channel in ("user:alice", "user:", "news", "persona:1", ""):
        with pytest.raises(Unknown):
            await subscribing.begin(door.core, door.ear.client, channel, None, Wish())


async def test_limits_are_checked_before_anything_is_read() -> None:
    door = Door(channels_max=1)
    await door.subscribe(None)
    door.store.reading.clear()
    with pytest.raises(AlreadySubscribed):
        await door.subscribe(None)
    other = HERE[:-1] + "2"
    with pytest.raises(LimitExceeded):
        await subscribing.begin(door.core, door.ear.client, other, None, Wish())
    assert not door.store.reading.is_set()
