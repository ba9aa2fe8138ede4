"""What the real socket tells a connection of others: messages in order, presence, typing, and news of its own user."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.scene import Scene, draft, refused
from tests.support.server import Server
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = 102
TYPING = {"ephemeral": ["typing", "read"]}


@pytest_asyncio.fixture(loop_scope="module")
async def scene(shared_server: Server) -> AsyncIterator[Scene]:
    async with Scene(shared_server) as opened:
        yield opened


async def test_a_reply_comes_before_any_push_of_its_channel(scene: Scene) -> None:
    alice = await scene.enter("alice")
    conversation = await scene.converse(alice, "bob")
    order: list[str] = []

    def note(channel: str, kind: str, item: object) -> None:
        if channel == conversation:
            order.append(kind)

    for round_number in range(10):
        bob = await scene.enter("bob", note)
        sending = [
            alice.begin("rpc", {"method": "send", "data": draft(conversation, f"{round_number}-{n}")})
            for n in range(5)
        ]
        await bob.subscribe(conversation)
        await asyncio.gather(*sending)
        top = 5 * (round_number + 1)
        first = bob.feed(conversation).results[0].get("offset", 0)
        await bob.feed(conversation).wait(top - first)
        await bob.close()
        assert order == ["subscribed", *["pub"] * (top - first)]
        assert bob.feed(conversation).offsets == list(range(first + 1, top + 1))
        order.clear()


@pytest.mark.parametrize(
    ("method", "data", "told_on_own_channel"),
    [
        ("send", {"client_message_id": "second", "content": "ho"}, False),
        ("edit", {"seq": 1, "content": "ho"}, False),
        ("delete", {"seq": 1}, False),
        ("add_member", {"user": "dave"}, False),
        ("update_member", {"user": "bob", "role": "admin"}, False),
        ("remove_member", {"user": "bob"}, False),
        ("update_conversation", {"title": "Lunch"}, False),
        ("leave", {}, False),
        ("leave", {}, True),
        ("delete_conversation", {}, False),
        ("delete_conversation", {}, True),
        ("create_conversation", {"members": ["bob"]}, True),
    ],
)
async def test_the_reply_to_what_is_written_comes_before_the_push_that_it_causes(
    scene: Scene, method: str, data: dict[str, Any], told_on_own_channel: bool
) -> None:
    alice = await scene.enter("alice")
    conversation = await scene.converse(alice, "bob")
    await alice.subscribe(conversation)
    await alice.send(conversation, "first", "hi")
    await alice.feed(conversation).wait(1)
    channel = f"user:{scene.user('alice')}" if told_on_own_channel else conversation
    named = {name: scene.user(value) if name == "user" else value for name, value in data.items()}
    alice.frames.clear()
    alice.keep_frames = True
    await alice.rpc(method, {"conversation_id": conversation, **named})

    def told() -> list[bool]:
        lines = [json.loads(line) for frame in alice.frames for line in frame.split("\n")]
        return [
            "id" in line for line in lines if "id" in line or line.get("push", {}).get("channel") == channel
        ]

    await until(lambda: False in told(), "the push")
    assert told()[0], "the push came first"


async def test_pipelined_sends_are_acked_in_order_with_dense_seqs(scene: Scene) -> None:
    alice = await scene.enter("alice")
    conversation = await scene.converse(alice)
    await alice.subscribe(conversation)
    acks = await asyncio.gather(
        *(
            alice.begin("rpc", {"method": "send", "data": draft(conversation, str(number))})
            for number in range(300)
        )
    )
    assert [ack["data"]["seq"] for ack in acks] == list(range(1, 301))
    await alice.feed(conversation).wait(300)
    assert alice.feed(conversation).offsets == list(range(1, 301))


async def test_joining_and_leaving_is_told_to_those_who_asked(scene: Scene) -> None:
    alice, bob = await scene.enter("alice"), await scene.enter("bob")
    conversation = await scene.converse(alice, "bob", "carol")
    await alice.subscribe(conversation, join_leave=True)
    await bob.subscribe(conversation)
    joined = await alice.feed(conversation).wait_other("join")
    assert joined["info"]["user"] == scene.user("bob")
    presence = (await alice.command("presence", {"channel": conversation}))["presence"]
    assert {info["user"] for info in presence.values()} == {scene.user("alice"), scene.user("bob")}
    assert joined["info"]["client"] in presence
    stats = await alice.command("presence_stats", {"channel": conversation})
    assert stats == {"num_clients": 2, "num_users": 2}
    await bob.unsubscribe(conversation)
    left = await alice.feed(conversation).wait_other("leave")
    assert left == joined
    assert bob.feed(conversation).others == []


async def test_a_connection_that_drops_is_told_as_leaving(scene: Scene) -> None:
    alice, bob = await scene.enter("alice"), await scene.enter("bob")
    conversation = await scene.converse(alice, "bob")
    await alice.subscribe(conversation, join_leave=True)
    await bob.subscribe(conversation)
    await bob.abort()
    assert (await alice.feed(conversation).wait_other("leave"))["info"]["user"] == scene.user("bob")


async def test_presence_is_for_those_who_listen(scene: Scene) -> None:
    alice = await scene.enter("alice")
    conversation = await scene.converse(alice)
    assert (await refused(alice.command("presence", {"channel": conversation}))).code == UNKNOWN


async def test_typing_and_read_go_to_those_who_asked_and_not_to_the_sender(scene: Scene) -> None:
    alice, bob, carol = [await scene.enter(name) for name in ("alice", "bob", "carol")]
    conversation = await scene.converse(alice, "bob", "carol")
    await alice.subscribe(conversation, data=TYPING)
    await bob.subscribe(conversation, data={"ephemeral": ["typing"]})
    await carol.subscribe(conversation)
    await alice.send(conversation, "k", "hi")
    assert await alice.rpc("typing", {"conversation_id": conversation}) == {}
    mark = await bob.rpc("read", {"conversation_id": conversation, "seq": 1})
    assert (mark["read_seq"], mark["unread_count"]) == (1, 0)
    common = {"conversation_id": conversation}
    typing = {"type": "typing", "user": scene.user("alice"), **common}
    read = {"type": "read", "user": scene.user("bob"), "read_seq": 1, **common}
    await until(lambda: bob.feed(conversation).ephemeral == [{"data": typing}], "typing")
    await until(lambda: alice.feed(conversation).ephemeral == [{"data": read}], "the receipt")
    await carol.feed(conversation).wait(1)
    assert carol.feed(conversation).ephemeral == []


async def test_a_read_position_never_moves_back_and_says_so_to_nobody(scene: Scene) -> None:
    alice, bob = await scene.enter("alice"), await scene.enter("bob")
    conversation = await scene.converse(alice, "bob")
    await alice.subscribe(conversation, data=TYPING)
    for number in range(3):
        await alice.send(conversation, str(number), "hi")
    marks = [await bob.rpc("read", {"conversation_id": conversation, "seq": seq}) for seq in (2, 1, 2)]
    assert [(mark["read_seq"], mark["unread_count"]) for mark in marks] == [(2, 1)] * 3
    assert (await refused(bob.rpc("read", {"conversation_id": conversation, "seq": 9}))).code == 112
    await alice.command("ping", {})
    assert len(alice.feed(conversation).ephemeral) == 1


# News


async def test_a_users_own_channel_tells_of_new_conversations(scene: Scene) -> None:
    alice, bob = await scene.enter("alice"), await scene.enter("bob")
    created = await scene.converse(alice, "bob")
    joined = await scene.converse(alice)
    await alice.rpc("add_member", {"conversation_id": joined, "user": scene.user("bob")})
    own = bob.feed(f"user:{scene.user('bob')}")
    await own.wait_for(lambda news: news["type"] == "conversation.joined", "the news")
    assert [item["data"] for item in own.ephemeral] == [
        {"type": "conversation.created", "conversation_id": created},
        {"type": "conversation.joined", "conversation_id": joined},
    ]


async def test_a_removed_member_hears_nothing_more_from_that_moment_on(scene: Scene) -> None:
    alice, bob = await scene.enter("alice"), await scene.enter("bob")
    conversation = await scene.converse(alice, "bob")
    await alice.subscribe(conversation)
    await bob.subscribe(conversation)
    removal = {"conversation_id": conversation, "user": scene.user("bob")}
    commands = [alice.begin("rpc", {"method": "remove_member", "data": removal})]
    commands += [
        alice.begin("rpc", {"method": "send", "data": draft(conversation, str(number))})
        for number in range(5)
    ]
    await asyncio.gather(*commands)
    ended = await bob.feed(conversation).wait_other("unsubscribe")
    assert ended["code"] == 2000
    own = bob.feed(f"user:{scene.user('bob')}")
    await own.wait_for(lambda news: news["type"] == "conversation.removed", "the news")
    await bob.command("ping", {})
    assert bob.feed(conversation).publications == []
    assert (await refused(bob.subscribe(conversation))).code == UNKNOWN
    assert (await refused(bob.send(conversation, "k", "hi"))).code == UNKNOWN
    assert [event["type"] for event in await alice.feed(conversation).wait(6)] == [
        "member.left",
        *["message"] * 5,
    ]


async def test_a_deleted_conversation_is_over_for_everybody(scene: Scene) -> None:
    alice, bob = await scene.enter("alice"), await scene.enter("bob")
    conversation = await scene.converse(alice, "bob")
    await alice.subscribe(conversation)
    await bob.subscribe(conversation)
    assert (await refused(bob.rpc("delete_conversation", {"conversation_id": conversation}))).code == 103
    await alice.rpc("delete_conversation", {"conversation_id": conversation})
    for client, name in ((alice, "alice"), (bob, "bob")):
        assert (await client.feed(conversation).wait_other("unsubscribe"))["code"] == 2000
        own = client.feed(f"user:{scene.user(name)}")
        await own.wait_for(lambda news: news["type"] == "conversation.removed", "the news")
        assert (await refused(client.subscribe(conversation))).code == UNKNOWN
        assert (await refused(client.rpc("history", {"conversation_id": conversation}))).code == UNKNOWN
