"""What each public SDK must be able to do against the real server; the test modules say which SDK."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.acceptance.sdk import Sdk
from tests.support.rest import RestClient
from tests.support.server import Server
from tests.support.waiting import until

MESSAGES = 20
RECOVER_EVENTS_MAX = 30
SHUTDOWN = 3001
UNKNOWN = 102


class SdkBehaviour(ABC):
    """The behaviours; a subclass says by `command` and `environment` how its driver is started."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Return the command line of the driver; skips where its SDK is not to be had."""

    def environment(self) -> dict[str, str]:
        """Return what the driver's environment needs beyond ours."""
        return {}

    @pytest.fixture
    async def bob(self, sdk_server: Server) -> AsyncIterator[RestClient]:
        async with RestClient(sdk_server.url, sdk_server.token("bob")) as bob:
            yield bob

    @pytest.fixture
    async def conversation(self, bob: RestClient) -> str:
        return await bob.create_conversation("alice")

    @pytest.fixture
    async def sdk(self) -> AsyncIterator[Sdk]:
        async with await Sdk.start(self.command(), self.environment()) as sdk:
            yield sdk

    @pytest.fixture
    async def alice(self, sdk: Sdk, sdk_server: Server) -> Sdk:
        await sdk.connect(sdk_server.ws_url, sdk_server.token("alice"))
        return sdk

    async def test_messages_arrive_once_and_in_order(
        self, alice: Sdk, bob: RestClient, conversation: str
    ) -> None:
        start = (await alice.subscribe(conversation))["offset"]
        acks = await asyncio.gather(
            *(alice.send(conversation, f"a{n}", f"alice {n}") for n in range(MESSAGES)),
            *(bob.send(conversation, f"bob {n}") for n in range(MESSAGES)),
        )
        received = await alice.received(conversation, 2 * MESSAGES)
        assert [event["offset"] for event in received] == seqs(start, 2 * MESSAGES)
        assert [event["data"]["seq"] for event in received] == seqs(start, 2 * MESSAGES)
        assert sorted(ack["seq"] for ack in acks) == seqs(start, 2 * MESSAGES)
        by_key = {event["data"]["client_message_id"]: event["offset"] for event in received}
        assert [by_key[f"a{n}"] for n in range(MESSAGES)] == [ack["seq"] for ack in acks[:MESSAGES]]

    async def test_a_retry_gets_the_first_answer(
        self, alice: Sdk, bob: RestClient, conversation: str
    ) -> None:
        first = await alice.send(conversation, "once", "hello")
        again = await alice.send(conversation, "once", "hello")
        assert (first["duplicate"], again["duplicate"]) == (False, True)
        assert again["seq"] == first["seq"]
        assert [item["content"] for item in await bob.messages(conversation)] == ["hello"]

    async def test_edits_and_deletions_arrive_as_events(self, alice: Sdk, conversation: str) -> None:
        await alice.subscribe(conversation)
        seq = (await alice.send(conversation, "draft", "helo"))["seq"]
        target = {"conversation_id": conversation, "seq": seq}
        assert "data" in await alice.rpc("edit", {**target, "content": "hello"})
        assert "data" in await alice.rpc("delete", target)
        events = [event["data"] for event in await alice.received(conversation, 3)]
        assert [event["type"] for event in events] == ["message", "message.edited", "message.deleted"]
        assert [event.get("message_seq") for event in events] == [None, seq, seq]

    async def test_typing_and_presence_come_beside_the_events(
        self, alice: Sdk, sdk_server: Server, conversation: str
    ) -> None:
        await alice.subscribe(conversation, data={"ephemeral": ["typing"]}, join_leave=True)
        async with await Sdk.start(self.command(), self.environment()) as other:
            await other.connect(sdk_server.ws_url, sdk_server.token("bob"))
            await other.subscribe(conversation, join_leave=True)
            await alice.wait("join", channel=conversation, user="bob")
            await other.rpc("typing", {"conversation_id": conversation})
            typing = await alice.wait("publication", channel=conversation, offset=0)
        assert typing["data"] == {"type": "typing", "conversation_id": conversation, "user": "bob"}
        await alice.wait("leave", channel=conversation, user="bob")

    async def test_a_new_conversation_is_told_on_the_users_own_channel(
        self, alice: Sdk, bob: RestClient
    ) -> None:
        await alice.wait("subscribed", channel="user:alice")
        created = await bob.create_conversation("alice", title="plans")
        news = await alice.wait("publication", channel="user:alice")
        assert news["data"]["type"] == "conversation.created"
        assert news["data"]["conversation_id"] == created

    async def test_who_is_no_member_is_refused_as_for_what_does_not_exist(
        self, sdk: Sdk, sdk_server: Server, conversation: str
    ) -> None:
        await sdk.connect(sdk_server.ws_url, sdk_server.token("mallory"))
        for channel in (conversation, "main:00000000-0000-7000-8000-000000000000"):
            sdk.tell("subscribe", channel=channel, data=None, join_leave=False)
            assert (await sdk.wait("unsubscribed", channel=channel))["code"] == UNKNOWN
            refused = await sdk.rpc("history", {"conversation_id": channel})
            assert refused["error"]["code"] == UNKNOWN

    async def test_a_token_is_renewed_without_losing_the_connection(
        self, sdk: Sdk, sdk_server: Server, conversation: str
    ) -> None:
        await sdk.connect(sdk_server.ws_url, sdk_server.token("alice", ttl="2s"), sdk_server.token("alice"))
        await sdk.wait("token_asked")
        await sdk.send(conversation, "renewed", "still here")
        assert len(sdk.said("connecting")) == 1
        assert not sdk.said("disconnected")
        assert not sdk.said("error")

    async def test_a_killed_server_costs_no_gap_and_no_repeat(
        self, alice: Sdk, bob: RestClient, sdk_server: Server, conversation: str
    ) -> None:
        start = (await alice.subscribe(conversation))["offset"]
        before = await alice.send(conversation, "before", "before")
        await alice.received(conversation, 1)
        alice.freeze()
        await sdk_server.restart_after_kill()
        for n in range(MESSAGES):
            await bob.send(conversation, f"missed {n}")
        alice.thaw()
        resumed = await alice.wait("subscribed", count=2, channel=conversation)
        assert (resumed["was_recovering"], resumed["recovered"]) == (True, True)
        await alice.received(conversation, 1 + MESSAGES)
        await alice.send(conversation, "after", "after")
        received = await alice.received(conversation, 2 + MESSAGES)
        assert [event["offset"] for event in received] == seqs(start, 2 + MESSAGES)
        missed = [f"missed {n}" for n in range(MESSAGES)]
        assert [event["data"]["content"] for event in received] == ["before", *missed, "after"]
        again = await alice.send(conversation, "before", "before")
        assert (again["seq"], again["duplicate"]) == (before["seq"], True)

    async def test_a_server_that_stops_in_good_order_says_shutdown_and_is_found_again(
        self, alice: Sdk, bob: RestClient, sdk_server: Server, conversation: str
    ) -> None:
        start = (await alice.subscribe(conversation))["offset"]
        assert await sdk_server.terminate() == 0
        await until(lambda: alice.said_with(code=SHUTDOWN), "the SDK to be told of the shutdown")
        await sdk_server.launch()
        await bob.send(conversation, "welcome back")
        received = await alice.received(conversation, 1)
        assert [event["offset"] for event in received] == seqs(start, 1)
        assert alice.said("subscribed", channel=conversation)[1]["recovered"] is True

    async def test_who_is_too_far_behind_is_told_so_and_starts_at_the_top(
        self, alice: Sdk, bob: RestClient, sdk_server: Server, conversation: str
    ) -> None:
        start = (await alice.subscribe(conversation))["offset"]
        alice.freeze()
        await sdk_server.restart_after_kill()
        missed = RECOVER_EVENTS_MAX + 1
        await asyncio.gather(*(bob.send(conversation, f"missed {n}") for n in range(missed)))
        alice.thaw()
        told = await alice.wait("subscribed", count=2, channel=conversation)
        assert (told["was_recovering"], told["recovered"]) == (True, False)
        assert told["offset"] == start + missed
        await bob.send(conversation, "from here on")
        received = await alice.received(conversation, 1)
        assert [event["offset"] for event in received] == [start + missed + 1]


def seqs(start: int, length: int) -> list[int]:
    """Return the `length` offsets that follow `start`."""
    return list(range(start + 1, start + 1 + length))
