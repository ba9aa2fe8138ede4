"""The hub: every listener gets every event once, in order, or is told to come again; and nothing after the end."""

from __future__ import annotations

import asyncio

import pytest

from chat.broker import Ephemeral
from chat.errors import INSUFFICIENT_STATE, UNSUBSCRIBED, AlreadySubscribed, LimitExceeded
from chat.hub import HELD_MAX, Hub, Wish
from chat.models import AnyEvent, ConversationDeleted, MemberLeft, Message
from chat.observer import NullObserver
from chat.settings import Settings
from chat.store import Changed, Committed, News, ReadMark, Sent
from tests.support.listening import Ear, PlainWire

HERE = "main:00000000-0000-7000-8000-000000000001"
THERE = "main:00000000-0000-7000-8000-000000000002"


@pytest.fixture
async def hub() -> Hub:
    return Hub(Settings(channels_max=3), NullObserver())


@pytest.fixture
def wire() -> PlainWire:
    return PlainWire()


def said(seq: int, channel: str = HERE) -> Committed:
    event = Message(
        conversation_id=channel,
        seq=seq,
        epoch="e",
        sender="alice",
        client_message_id=str(seq),
        role="user",
        content_type="text",
        content="hi",
        created_at=1,
        changed_seq=seq,
    )
    answer = Sent(
        conversation_id=channel, seq=seq, epoch="e", version=f"e.{seq}", created_at=1, duplicate=False
    )
    return Committed(answer, (event,))


def happened(event: AnyEvent, *news: News) -> Committed:
    answer = Changed(conversation_id=HERE, seq=event.seq, epoch="e", version="e.1", duplicate=False)
    return Committed(answer, (event,), news)


def left(seq: int, user: str) -> Committed:
    event = MemberLeft(conversation_id=HERE, seq=seq, epoch="e", user=user, actor="alice", created_at=1)
    return happened(event, News(user, "removed", HERE))


async def test_events_go_to_all_who_listen_there_and_are_encoded_once(hub: Hub, wire: PlainWire) -> None:
    alice, bob, carol = (Ear(name, wire) for name in ("alice", "bob", "carol"))
    alice.listen(hub, HERE)
    bob.listen(hub, HERE)
    carol.listen(hub, THERE)
    hub.committed([said(1), said(2)])
    assert alice.heard == bob.heard == ["event 1", "event 2"]
    assert carol.heard == []
    assert wire.encoded == 2


async def test_what_is_published_while_a_subscription_begins_is_held_merged_and_handed_on_once(
    hub: Hub, wire: PlainWire
) -> None:
    ear = Ear("alice", wire)
    subscription = hub.register(ear.client, HERE, Wish())
    hub.committed([said(3), said(4)])
    hub.committed([said(5)])
    assert ear.heard == []
    hub.go_live(subscription, 4)
    hub.committed([said(6)])
    assert ear.heard == ["event 5", "event 6"]


async def test_what_was_handed_on_before_is_dropped(hub: Hub, wire: PlainWire) -> None:
    ear = Ear("alice", wire)
    ear.listen(hub, HERE, 4)
    hub.committed([said(3), said(4), said(5), said(5), said(4), said(6)])
    assert ear.heard == ["event 5", "event 6"]


async def test_whoever_misses_an_event_is_told_to_come_again_and_hears_nothing_more(
    hub: Hub, wire: PlainWire
) -> None:
    behind, level = Ear("bob", wire), Ear("alice", wire)
    behind.listen(hub, HERE, 1)
    level.listen(hub, HERE, 2)
    hub.committed([said(3), said(4)])
    assert behind.heard == ["unsubscribed 2500"]
    assert level.heard == ["event 3", "event 4"]
    assert HERE not in behind.client.subscriptions
    behind.listen(hub, HERE, 4)
    hub.committed([said(5)])
    assert behind.heard[1:] == ["event 5"]


async def test_a_hole_among_what_was_held_is_noticed(hub: Hub, wire: PlainWire) -> None:
    ear = Ear("alice", wire)
    subscription = hub.register(ear.client, HERE, Wish())
    hub.committed([said(3), said(5)])
    hub.go_live(subscription, 2)
    assert ear.heard == ["event 3", "unsubscribed 2500"]
    assert subscription.ended


async def test_only_so_much_is_held_for_a_subscription_that_does_not_begin(hub: Hub, wire: PlainWire) -> None:
    ear = Ear("alice", wire)
    subscription = hub.register(ear.client, HERE, Wish())
    hub.committed([said(seq) for seq in range(1, HELD_MAX + 1)])
    assert not subscription.ended
    hub.committed([said(HELD_MAX + 1)])
    assert (subscription.ended, subscription.why) == (True, INSUFFICIENT_STATE)
    assert ear.heard == []


async def test_a_removed_member_hears_of_nothing_from_that_event_on(hub: Hub, wire: PlainWire) -> None:
    alice, bob, bob_again = Ear("alice", wire), Ear("bob", wire), Ear("bob", wire)
    for ear in (alice, bob, bob_again):
        ear.listen(hub, HERE)
    bob.listen(hub, "user:bob")
    hub.committed([said(1), left(2, "bob"), said(3)])
    assert alice.heard == ["event 1", "event 2", "event 3"]
    news = '{"type":"conversation.removed","conversation_id":"' + HERE + '"}'
    assert bob.heard == ["event 1", "unsubscribed 2000", f"notice {news}"]
    assert bob_again.heard == ["event 1", "unsubscribed 2000"]


async def test_a_removal_reaches_a_subscription_that_is_still_beginning(hub: Hub, wire: PlainWire) -> None:
    ear = Ear("bob", wire)
    subscription = hub.register(ear.client, HERE, Wish())
    hub.committed([left(1, "bob")])
    assert subscription.ended
    assert subscription.why is UNSUBSCRIBED
    assert ear.heard == []
    assert ear.client.subscriptions == {}


async def test_a_deleted_conversation_is_told_and_then_over(hub: Hub, wire: PlainWire) -> None:
    alice, bob = Ear("alice", wire), Ear("bob", wire)
    alice.listen(hub, HERE)
    bob.listen(hub, HERE)
    event = ConversationDeleted(conversation_id=HERE, seq=1, epoch="e", actor="alice", created_at=1)
    hub.committed([happened(event), said(2)])
    assert alice.heard == bob.heard == ["event 1", "unsubscribed 2000"]
    assert hub.channels() == []


async def test_news_go_to_all_connections_of_one_user(hub: Hub, wire: PlainWire) -> None:
    first, second, other = Ear("bob", wire), Ear("bob", wire), Ear("alice", wire)
    first.listen(hub, "user:bob")
    second.listen(hub, "user:bob")
    other.listen(hub, "user:alice")
    answer = said(1).answer
    hub.committed([Committed(answer, (), (News("bob", "created", HERE), News("bob", "joined", THERE)))])
    assert (
        first.heard
        == second.heard
        == [
            'notice {"type":"conversation.created","conversation_id":"' + HERE + '"}',
            'notice {"type":"conversation.joined","conversation_id":"' + THERE + '"}',
        ]
    )
    assert other.heard == []


async def test_what_passes_by_goes_to_those_who_asked_and_not_to_its_sender(
    hub: Hub, wire: PlainWire
) -> None:
    asking, other_topic, silent, sender = (Ear(name, wire) for name in ("bob", "carol", "dave", "alice"))
    asking.listen(hub, HERE, wish=Wish(ephemeral=frozenset({"typing"})))
    other_topic.listen(hub, HERE, wish=Wish(ephemeral=frozenset({"read"})))
    silent.listen(hub, HERE)
    sender.listen(hub, HERE, wish=Wish(ephemeral=frozenset({"typing", "read"})))
    hub.ephemeral(Ephemeral(HERE, "typing", "alice"))
    mark = ReadMark(conversation_id=HERE, read_seq=7, unread_count=0)
    hub.committed([Committed(mark, read_by="alice"), Committed(mark, read_by=None)])
    common = f'"conversation_id":"{HERE}","user":"alice"'
    assert asking.heard == [f'notice {{"type":"typing",{common}}}']
    assert other_topic.heard == [f'notice {{"type":"read",{common},"read_seq":7}}']
    assert silent.heard == sender.heard == []


async def test_what_passes_by_does_not_reach_a_subscription_before_its_reply(
    hub: Hub, wire: PlainWire
) -> None:
    ear = Ear("bob", wire)
    hub.register(ear.client, HERE, Wish(ephemeral=frozenset({"typing"})))
    hub.ephemeral(Ephemeral(HERE, "typing", "alice"))
    assert ear.heard == []


async def test_coming_and_leaving_is_told_to_the_others_who_asked(hub: Hub, wire: PlainWire) -> None:
    watcher, guest = Ear("alice", wire), Ear("bob", wire)
    watcher.listen(hub, HERE, wish=Wish(join_leave=True))
    hub.enter(guest.client)
    beginning = hub.register(guest.client, HERE, Wish(join_leave=True))
    assert watcher.heard == []
    hub.go_live(beginning, 0)
    hub.leave(guest.client)
    hub.leave(guest.client)
    assert watcher.heard == ["joined bob", "left bob"]
    assert guest.heard == []


async def test_a_users_own_channel_tells_nobody_who_comes(hub: Hub, wire: PlainWire) -> None:
    first, second = Ear("bob", wire), Ear("bob", wire)
    first.listen(hub, "user:bob", wish=Wish(join_leave=True))
    second.listen(hub, "user:bob")
    hub.unsubscribe(second.client, "user:bob")
    assert first.heard == []


async def test_a_subscription_ends_once(hub: Hub, wire: PlainWire) -> None:
    ear, watcher = Ear("bob", wire), Ear("alice", wire)
    watcher.listen(hub, HERE, wish=Wish(join_leave=True))
    ear.listen(hub, HERE)
    ended = ear.client.subscriptions[HERE]
    assert hub.unsubscribe(ear.client, HERE)
    assert not hub.unsubscribe(ear.client, HERE)
    ear.listen(hub, HERE)
    hub.end(ended, INSUFFICIENT_STATE)
    hub.committed([said(1)])
    assert ear.heard == ["event 1"]
    assert watcher.heard == ["joined bob", "left bob", "joined bob", "event 1"]


async def test_all_subscriptions_of_a_file_can_be_ended(hub: Hub, wire: PlainWire) -> None:
    ear = Ear("bob", wire)
    ear.listen(hub, "user:bob")
    ear.listen(hub, HERE)
    beginning = hub.register(ear.client, THERE, Wish())
    hub.end_all(lambda channel: channel.startswith("main:"), INSUFFICIENT_STATE)
    assert ear.heard == ["unsubscribed 2500"]
    assert list(ear.client.subscriptions) == ["user:bob"]
    assert beginning.why is INSUFFICIENT_STATE


async def test_a_connection_has_so_many_channels_and_each_once(hub: Hub, wire: PlainWire) -> None:
    ear = Ear("bob", wire)
    for number in range(3):
        ear.listen(hub, f"channel {number}")
    with pytest.raises(AlreadySubscribed):
        hub.register(ear.client, "channel 0", Wish())
    with pytest.raises(LimitExceeded):
        hub.register(ear.client, "one more", Wish())
    hub.unsubscribe(ear.client, "channel 0")
    ear.listen(hub, "one more")


async def test_the_hub_counts_connections_and_subscriptions(hub: Hub, wire: PlainWire) -> None:
    ears = [Ear("bob", wire), Ear("alice", wire)]
    for ear in ears:
        hub.enter(ear.client)
        ear.listen(hub, HERE)
    assert (hub.subscription_count, hub.connections_of("bob"), hub.connections_of("eve")) == (2, 1, 0)
    for ear in ears:
        hub.leave(ear.client)
    assert (hub.subscription_count, hub.connections_of("bob"), hub.channels()) == (0, 0, [])


async def test_a_client_that_is_given_up_in_the_middle_costs_the_others_nothing(
    hub: Hub, wire: PlainWire
) -> None:
    class Leaving(Ear):
        """Leaves the hub as soon as it is given up, as a socket does."""

        def _overflowed(self) -> None:
            super()._overflowed()
            hub.leave(self.client)

    slow = [Leaving(f"slow {number}", wire, bytes_max=10) for number in range(3)]
    fast = [Ear(f"fast {number}", wire) for number in range(3)]
    for pair in zip(slow, fast, strict=True):
        for ear in pair:
            hub.enter(ear.client)
            ear.listen(hub, HERE)
    for ear in slow:
        ear.paused = True
    hub.committed([said(1), said(2), said(3)])
    await asyncio.sleep(0)
    assert [ear.overflows for ear in slow] == [1, 1, 1]
    assert [ear.heard for ear in fast] == [["event 1", "event 2", "event 3"]] * 3
    assert set(hub.clients) == {ear.client.id for ear in fast}
