"""Recovery over the real socket: all that was missed or nothing, under the rule of the timeline; and history."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.client import SocketClient
from tests.support.scene import Scene, draft, refused
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNRECOVERABLE = 112
REJECT_UNRECOVERED = 2
EVENTS_MAX = 500


@pytest_asyncio.fixture(loop_scope="module")
async def scene(shared_server: Server) -> AsyncIterator[Scene]:
    async with Scene(shared_server) as opened:
        yield opened


class Talk:
    """A conversation of five messages; `epoch` is today's, and bob has not subscribed yet."""

    def __init__(self, conversation: str, alice: SocketClient, bob: SocketClient, epoch: str) -> None:
        self.conversation, self.alice, self.bob, self.epoch = conversation, alice, bob, epoch

    async def recover(self, **claim: Any) -> dict[str, Any]:
        """Subscribe with what is claimed, and end the subscription again."""
        result = await self.bob.subscribe(self.conversation, recover=True, **claim)
        await self.bob.unsubscribe(self.conversation)
        return result

    def seen(self, seq: int, epoch: str | None = None) -> dict[str, Any]:
        """Write a subscribe request's data."""
        return {"seen": {"seq": seq, "epoch": self.epoch if epoch is None else epoch}}


@pytest_asyncio.fixture(loop_scope="module")
async def talk(scene: Scene) -> Talk:
    alice, bob = await scene.enter("alice"), await scene.enter("bob")
    conversation = await scene.converse(alice, "bob")
    acks = [await alice.send(conversation, str(number), f"message {number}") for number in range(1, 6)]
    return Talk(conversation, alice, bob, acks[0]["epoch"])


async def test_a_plain_subscribe_tells_the_position_and_sends_nothing(talk: Talk) -> None:
    result = await talk.bob.subscribe(talk.conversation)
    data = result.pop("data")
    assert result == {"recoverable": True, "positioned": True, "epoch": talk.epoch, "offset": 5}
    top = {"seq": 5, "epoch": talk.epoch}
    assert data == {"epoch": talk.epoch, "top": top, "first_seq": 1, "role": "member", "read_seq": 0}


async def test_whoever_comes_back_gets_all_that_he_missed(talk: Talk) -> None:
    result = await talk.recover(epoch=talk.epoch, offset=2)
    assert (result["recovered"], result["was_recovering"], result["offset"]) == (True, True, 2)
    assert [publication["offset"] for publication in result["publications"]] == [3, 4, 5]
    assert [publication["data"]["content"] for publication in result["publications"]] == [
        f"message {number}" for number in (3, 4, 5)
    ]


async def test_whoever_missed_nothing_gets_nothing(talk: Talk) -> None:
    result = await talk.recover(epoch=talk.epoch, offset=5)
    assert (result["recovered"], result["offset"]) == (True, 5)
    assert "publications" not in result


async def test_an_empty_epoch_at_zero_gets_everything(talk: Talk) -> None:
    result = await talk.recover(epoch="", offset=0)
    assert result["recovered"]
    assert "offset" not in result
    assert [publication["offset"] for publication in result["publications"]] == [1, 2, 3, 4, 5]


async def test_seen_decides_where_it_is_given(talk: Talk) -> None:
    for epoch in (talk.epoch, "another"):
        result = await talk.recover(epoch=epoch, offset=2, data=talk.seen(4))
        assert [publication["offset"] for publication in result["publications"]] == [3, 4, 5]
    assert (await talk.recover(epoch="", offset=0, data=talk.seen(0, "")))["recovered"]


@pytest.mark.parametrize(
    "claim",
    [
        {"epoch": "_", "offset": 0},
        {"epoch": "_", "offset": 3},
        {"epoch": "another", "offset": 3},
        {"epoch": "", "offset": 3},
        {"offset": 6},
        {"offset": 2**53 - 1},
        {"offset": 3, "seen": (5, "another")},
        {"offset": 3, "seen": (6, None)},
        {"offset": 3, "seen": (2**53 - 1, None)},
        {"offset": 3, "seen": (2, None)},
        {"offset": 3, "seen": (0, "")},
        {"offset": 0, "seen": (0, None)},
    ],
)
async def test_whoever_cannot_go_on_is_told_the_position_and_gets_nothing(
    talk: Talk, claim: dict[str, Any]
) -> None:
    claim = {"epoch": talk.epoch, **claim}
    if "seen" in claim:
        claim["data"] = talk.seen(*claim.pop("seen"))
    result = await talk.recover(**claim)
    del result["data"]
    assert result == {
        "recoverable": True,
        "positioned": True,
        "epoch": talk.epoch,
        "offset": 5,
        "was_recovering": True,
    }
    refusal = await refused(talk.recover(**claim, flag=REJECT_UNRECOVERED))
    assert (refusal.code, refusal.temporary) == (UNRECOVERABLE, False)
    assert (await talk.recover(epoch=talk.epoch, offset=5, flag=REJECT_UNRECOVERED))["recovered"]


async def test_a_refused_recovery_leaves_no_subscription(talk: Talk) -> None:
    await refused(
        talk.bob.subscribe(talk.conversation, recover=True, epoch="_", offset=1, flag=REJECT_UNRECOVERED)
    )
    await talk.alice.send(talk.conversation, "later", "not pushed")
    await talk.bob.command("ping", {})
    assert talk.bob.feed(talk.conversation).publications == []
    assert (await talk.bob.subscribe(talk.conversation))["offset"] == 6


async def test_another_type_of_subscription_is_refused(talk: Talk) -> None:
    assert (await refused(talk.bob.subscribe(talk.conversation, type=1))).code == 108


async def test_what_was_edited_or_deleted_meanwhile_comes_as_it_is_today(talk: Talk) -> None:
    conversation = {"conversation_id": talk.conversation}
    edited = await talk.alice.rpc("edit", {**conversation, "seq": 2, "content": "better"})
    deleted = await talk.alice.rpc("delete", {**conversation, "seq": 3})
    assert (edited["seq"], edited["message_seq"], deleted["seq"]) == (6, 2, 7)
    result = await talk.recover(epoch=talk.epoch, offset=1)
    events = [publication["data"] for publication in result["publications"]]
    assert [event["seq"] for event in events] == [2, 3, 4, 5, 6, 7]
    assert (events[0]["content"], events[0]["changed_seq"]) == ("better", 6)
    assert events[0]["edited_at"] > 0
    assert "content" not in events[1]
    assert events[1]["deleted_at"] > 0
    assert (events[4]["type"], events[4]["message_seq"], events[4]["content"]) == (
        "message.edited",
        2,
        "better",
    )
    assert (events[5]["type"], events[5]["message_seq"]) == ("message.deleted", 3)


async def test_more_than_500_events_are_not_recovered(scene: Scene) -> None:
    alice = await scene.enter("alice")
    conversation = await scene.converse(alice)
    sending = [
        alice.begin("rpc", {"method": "send", "data": draft(conversation, str(number))})
        for number in range(EVENTS_MAX + 1)
    ]
    epoch = (await sending[-1])["data"]["epoch"]
    result = await alice.subscribe(conversation, recover=True, epoch=epoch, offset=1)
    assert (result["recovered"], len(result["publications"])) == (True, EVENTS_MAX)
    await alice.unsubscribe(conversation)
    result = await alice.subscribe(conversation, recover=True, epoch=epoch, offset=0)
    assert (result.get("recovered"), result.get("publications"), result["offset"]) == (None, None, 501)
    await alice.unsubscribe(conversation)
    refusal = await refused(
        alice.subscribe(conversation, recover=True, epoch=epoch, offset=0, flag=REJECT_UNRECOVERED)
    )
    assert refusal.code == UNRECOVERABLE


@pytest.mark.parametrize("fat", [{"content": "x" * 48_000}, {"metadata": {"m": "x" * 8_000}, "content": "m"}])
async def test_more_than_half_a_megabyte_is_not_recovered(scene: Scene, fat: dict[str, Any]) -> None:
    alice = await scene.enter("alice")
    conversation = await scene.converse(alice)
    count = 100 if "metadata" in fat else 20
    for number in range(count):
        epoch = (await alice.send(conversation, str(number), **fat))["epoch"]
    result = await alice.subscribe(conversation, recover=True, epoch=epoch, offset=count - 5)
    assert len(result["publications"]) == 5
    await alice.unsubscribe(conversation)
    result = await alice.subscribe(conversation, recover=True, epoch=epoch, offset=0)
    assert "recovered" not in result
    assert "publications" not in result


# The command `history`


async def test_history_without_a_limit_tells_the_position_alone(talk: Talk) -> None:
    for limit in ({}, {"limit": 0}, {"limit": 0, "since": {"offset": 99, "epoch": "_"}}):
        result = await talk.bob.command("history", {"channel": talk.conversation, **limit})
        assert result == {"epoch": talk.epoch, "offset": 5}


async def test_history_gives_up_to_its_limit_after_a_position(talk: Talk) -> None:
    for limit, since, offsets in (
        (-1, None, [1, 2, 3, 4, 5]),
        (2, None, [1, 2]),
        (2, 3, [4, 5]),
        (-1, 4, [5]),
        (10, 5, None),
    ):
        asked = {} if since is None else {"since": {"offset": since, "epoch": talk.epoch}}
        result = await talk.bob.command("history", {"channel": talk.conversation, "limit": limit, **asked})
        found = result.get("publications")
        assert (found and [publication["offset"] for publication in found]) == offsets
        assert (result["epoch"], result["offset"]) == (talk.epoch, 5)


async def test_history_after_a_position_that_is_not_of_today_is_refused(talk: Talk) -> None:
    for since in ({"offset": 1, "epoch": "_"}, {"offset": 9, "epoch": talk.epoch}, {"offset": 1}):
        asked = {"channel": talk.conversation, "limit": -1, "since": since}
        assert (await refused(talk.bob.command("history", asked))).code == UNRECOVERABLE


async def test_history_in_reverse_begins_with_the_newest_before_a_position(talk: Talk) -> None:
    for limit, since, offsets in (
        (-1, None, [5, 4, 3, 2, 1]),
        (2, None, [5, 4]),
        (2, 4, [3, 2]),
        (9, 3, [2, 1]),
        (9, 1, None),
        (0, None, None),
    ):
        asked = {} if since is None else {"since": {"offset": since, "epoch": talk.epoch}}
        command = {"channel": talk.conversation, "limit": limit, "reverse": True, **asked}
        result = await talk.bob.command("history", command)
        found = result.get("publications")
        assert (found and [publication["offset"] for publication in found]) == offsets
        assert (result["epoch"], result["offset"]) == (talk.epoch, 5)


async def test_history_in_reverse_before_a_position_that_is_not_of_today_is_refused(talk: Talk) -> None:
    for since in ({"offset": 3, "epoch": "_"}, {"offset": 9, "epoch": talk.epoch}, {"offset": 1}):
        asked = {"channel": talk.conversation, "limit": -1, "reverse": True, "since": since}
        assert (await refused(talk.bob.command("history", asked))).code == UNRECOVERABLE
