"""What the store promises of conversations and members."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.commands import (
    AddMember,
    CreateConversation,
    DeleteConversation,
    GetConversation,
    ListConversations,
    ListMembers,
    MarkRead,
    ReadHistory,
    RemoveMember,
    UpdateConversation,
    UpdateMember,
)
from chat.errors import (
    BadRequest,
    KeyReused,
    PermissionDenied,
    Unknown,
    UnrecoverablePosition,
    VersionMismatch,
)
from chat.models import Conversation
from chat.settings import Settings
from chat.store import Changed, Created, ReadMark
from tests.support.stores import OpenStore


async def test_creation_takes_no_seq_and_its_first_event_is_1(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    assert (await _view(store, "alice", conversation)).last_seq == 0
    assert (await store.send("bob", conversation, "a")).seq == 1


async def test_a_creation_with_a_key_is_done_once(store: OpenStore) -> None:
    command = CreateConversation(members=["bob"], title="x", idempotency_key="c")
    first = (await store.write("alice", command)).answer
    await store.restart()
    again = (await store.write("alice", command)).answer
    assert isinstance(first, Created)
    assert isinstance(again, Created)
    assert again.conversation.conversation_id == first.conversation.conversation_id
    assert (first.duplicate, again.duplicate) == (False, True)
    with pytest.raises(KeyReused):
        await store.write("alice", CreateConversation(members=["eve"], title="x", idempotency_key="c"))


async def test_each_creator_has_creation_keys_of_his_own(store: OpenStore) -> None:
    mine = await store.create("alice", "bob", idempotency_key="c")
    assert await store.create("bob", "alice", idempotency_key="c") != mine


async def test_who_is_named_twice_or_creates_is_one_member(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob", "bob", "alice")
    page = await store.store.members("alice", ListMembers(conversation_id=conversation), 10)
    assert [(member.user, member.role) for member in page.items] == [("alice", "owner"), ("bob", "member")]


async def test_a_title_is_changed_by_moderators_and_takes_a_seq(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob", title="old", metadata={"a": 1})
    with pytest.raises(PermissionDenied):
        await store.write("bob", UpdateConversation(conversation_id=conversation, title="new"))
    await store.write("alice", UpdateConversation(conversation_id=conversation, title="new"))
    view = await _view(store, "bob", conversation)
    assert (view.title, view.changed_seq, view.metadata is not None) == ("new", 1, True)


async def test_a_title_is_not_changed_against_an_older_version(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    version = (await _view(store, "alice", conversation)).version
    update = UpdateConversation(conversation_id=conversation, title="new", version=version)
    await store.write("alice", update)
    with pytest.raises(VersionMismatch):
        await store.write("alice", update)
    with pytest.raises(UnrecoverablePosition):
        await store.write(
            "alice", UpdateConversation(conversation_id=conversation, title="x", version="gone.1")
        )


async def test_a_hidden_conversation_is_gone_for_everybody_and_its_rows_stay(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    with pytest.raises(PermissionDenied):
        await store.write("bob", DeleteConversation(conversation_id=conversation))
    outcome = await store.write("alice", DeleteConversation(conversation_id=conversation))
    assert {news.user for news in outcome.news} == {"alice", "bob"}
    for user in ("alice", "bob"):
        with pytest.raises(Unknown):
            await _view(store, user, conversation)
        with pytest.raises(Unknown):
            await store.send(user, conversation, "k")
    assert (await store.store.conversations("alice", ListConversations(), 10)).items == []


async def test_conversations_are_listed_by_last_activity(store: OpenStore) -> None:
    made = [await store.create("alice", "bob", kind="direct" if index % 2 else "group") for index in range(5)]
    for key, conversation in enumerate((made[3], made[0])):
        await _send_later(store, conversation, str(key))
    listed, cursor = [], None
    while True:
        page = await store.store.conversations("bob", ListConversations(cursor=cursor), 2)
        listed += [conversation.conversation_id for conversation in page.items]
        if (cursor := page.next) is None:
            break
    assert listed == [made[0], made[3], made[4], made[2], made[1]]
    direct = await store.store.conversations("bob", ListConversations(kind="direct"), 10)
    assert [conversation.conversation_id for conversation in direct.items] == [made[3], made[1]]


async def test_a_cursor_that_was_not_handed_out_is_refused(store: OpenStore) -> None:
    with pytest.raises(BadRequest):
        await store.store.conversations("alice", ListConversations(cursor="1;2"), 10)


async def test_moderators_add_and_the_owner_promotes(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    add = AddMember(conversation_id=conversation, user="carol")
    with pytest.raises(PermissionDenied):
        await store.write("bob", add)
    await store.write("alice", UpdateMember(conversation_id=conversation, user="bob", role="admin"))
    with pytest.raises(PermissionDenied):
        await store.write("bob", AddMember(conversation_id=conversation, user="dave", role="admin"))
    added = (await store.write("bob", add)).answer
    again = (await store.write("bob", add)).answer
    assert isinstance(added, Changed)
    assert isinstance(again, Changed)
    assert (added.duplicate, again.duplicate) == (False, True)
    assert (await store.send("carol", conversation, "k")).seq == added.seq + 1


async def test_a_removed_member_is_out_at_once(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob", "carol")
    await store.send("bob", conversation, "k")
    with pytest.raises(PermissionDenied):
        await store.write("carol", RemoveMember(conversation_id=conversation, user="bob"))
    outcome = await store.write("alice", RemoveMember(conversation_id=conversation, user="bob"))
    assert [(news.user, news.kind) for news in outcome.news] == [("bob", "removed")]
    with pytest.raises(Unknown):
        await store.send("bob", conversation, "k")
    with pytest.raises(Unknown):
        await store.write("alice", RemoveMember(conversation_id=conversation, user="bob"))


async def test_an_owner_who_leaves_hands_over(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob", "carol")
    await store.write("alice", UpdateMember(conversation_id=conversation, user="carol", role="admin"))
    await store.write("alice", RemoveMember(conversation_id=conversation, user="alice"))
    page = await store.store.members("bob", ListMembers(conversation_id=conversation), 10)
    assert {member.user: member.role for member in page.items} == {"bob": "member", "carol": "owner"}


async def test_ownership_is_given_to_another_and_leaves_an_admin(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    outcome = await store.write("alice", UpdateMember(conversation_id=conversation, user="bob", role="owner"))
    assert len(outcome.events) == 2
    assert (await _view(store, "alice", conversation)).role == "admin"
    assert (await _view(store, "bob", conversation)).role == "owner"


async def test_the_last_one_may_leave(store: OpenStore) -> None:
    conversation = await store.create("alice")
    await store.write("alice", RemoveMember(conversation_id=conversation, user="alice"))
    with pytest.raises(Unknown):
        await _view(store, "alice", conversation)


async def test_a_conversation_has_room_for_so_many(tmp_path: object) -> None:
    async with OpenStore(tmp_path / "main.db", Settings(members_max=2)) as store:  # type: ignore[operator]
        conversation = await store.create("alice", "bob")
        with pytest.raises(PermissionDenied):
            await store.write("alice", AddMember(conversation_id=conversation, user="carol"))


async def test_read_positions_move_forward_only_and_count_what_others_said(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    for index in range(4):
        await store.send("alice", conversation, str(index))
    await store.send("bob", conversation, "own")
    await store.delete("alice", conversation, 4)
    assert (await _view(store, "bob", conversation)).unread_count == 3
    assert await _mark(store, "bob", conversation, 2) == (2, 1)
    assert await _mark(store, "bob", conversation, 1) == (2, 1)
    assert (await _view(store, "alice", conversation)).unread_count == 1
    with pytest.raises(UnrecoverablePosition):
        await _mark(store, "bob", conversation, 99)


async def test_pages_are_ascending_and_name_the_way_on(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    for index in range(1, 11):
        await store.send("alice", conversation, str(index))
    assert await _page(store, conversation) == ([8, 9, 10], 8, None)
    assert await _page(store, conversation, before=11) == ([8, 9, 10], 8, None)
    assert await _page(store, conversation, before=8) == ([5, 6, 7], 5, 7)
    assert await _page(store, conversation, before=3) == ([1, 2], None, 2)
    assert await _page(store, conversation, before=4) == ([1, 2, 3], None, 3)
    assert await _page(store, conversation, before=1) == ([], None, 0)
    assert await _page(store, conversation, after=0) == ([1, 2, 3], 3, None)
    assert await _page(store, conversation, after=1) == ([2, 3, 4], 4, 2)
    assert await _page(store, conversation, after=8) == ([9, 10], None, 9)
    assert await _page(store, conversation, after=12) == ([], None, 11)


async def test_a_page_around_a_seq_is_filled_from_the_side_that_has_more(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    for index in range(1, 11):
        await store.send("alice", conversation, str(index))
    assert await _page(store, conversation, around=5) == ([4, 5, 6], 6, 4)
    assert await _page(store, conversation, around=1) == ([1, 2, 3], 3, None)
    assert await _page(store, conversation, around=2) == ([1, 2, 3], 3, None)
    assert await _page(store, conversation, around=9) == ([8, 9, 10], None, 8)
    assert await _page(store, conversation, around=10) == ([8, 9, 10], None, 8)
    assert await _page(store, conversation, around=99) == ([8, 9, 10], None, 8)


async def test_a_conversation_without_a_message_has_one_page_that_leads_nowhere(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    for anchor in ({}, {"before": 5}, {"after": 0}, {"after": 5}, {"around": 5}):
        assert await _page(store, conversation, **anchor) == ([], None, None)


async def test_every_page_is_what_a_list_of_all_messages_says(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    seqs = [(await store.send("alice", conversation, "1")).seq]
    for index in range(2, 6):
        # An event that is no message takes a seq of its own, so that there are gaps, and two at the end.
        await store.edit("alice", conversation, seqs[0], str(index))
        seqs.append((await store.send("alice", conversation, str(index))).seq)
    await store.edit("alice", conversation, seqs[0], "last")
    await store.delete("alice", conversation, seqs[1])
    for limit in range(1, len(seqs) + 2):
        for anchor in range(1, seqs[-1] + 4):
            older = [seq for seq in seqs if seq < anchor]
            newer = seqs[len(older) :]
            below = max(limit // 2, limit - len(newer))
            around = older[max(len(older) - below, 0) :]
            around += newer[: limit - len(around)]
            for query, expected in (
                ({"before": anchor}, older[-limit:]),
                ({"after": anchor - 1}, newer[:limit]),
                ({"around": anchor}, around),
            ):
                shown, following, previous = await _page(store, conversation, limit, **query)
                ahead, behind = (previous, following) if "before" in query else (following, previous)
                assert shown == expected, (query, limit)
                assert _after(ahead, seqs) == [seq for seq in newer if seq not in shown], (query, limit)
                assert _before(behind, seqs) == [seq for seq in older if seq not in shown], (query, limit)


async def _send_later(store: OpenStore, conversation: str, key: str) -> None:
    """Send with a later time than the creations have, which may share a millisecond."""
    from chat.commands import SendMessage
    from chat.store import Draft

    command = SendMessage(conversation_id=conversation, client_message_id=key, content="x")
    await store.store.commit([Draft("alice", command, 10**13 + int(key), b"f")])


async def _view(store: OpenStore, user: str, conversation: str) -> Conversation:
    return await store.store.conversation(user, GetConversation(conversation_id=conversation))


async def _mark(store: OpenStore, user: str, conversation: str, seq: int) -> tuple[int, int]:
    answer = (await store.write(user, MarkRead(conversation_id=conversation, seq=seq))).answer
    assert isinstance(answer, ReadMark)
    return answer.read_seq, answer.unread_count


async def _page(
    store: OpenStore, conversation: str, limit: int = 3, **anchor: int
) -> tuple[list[int], int | None, int | None]:
    page = await store.store.page("bob", ReadHistory(conversation_id=conversation, **anchor), limit)
    return [message.seq for message in page.items], page.next, page.previous


def _after(lead: int | None, seqs: list[int]) -> list[int]:
    """Return what a page's way to newer messages leads to."""
    return [] if lead is None else [seq for seq in seqs if seq > lead]


def _before(lead: int | None, seqs: list[int]) -> list[int]:
    """Return what a page's way to older messages leads to."""
    return [] if lead is None else [seq for seq in seqs if seq < lead]


async def test_leaving_and_deleting_with_a_key_can_be_asked_again(store: OpenStore) -> None:
    conversation = await store.create("alice", "bob")
    leave = RemoveMember(conversation_id=conversation, user="bob", idempotency_key="leave")
    delete = DeleteConversation(conversation_id=conversation, idempotency_key="delete")
    for user, command in (("bob", leave), ("alice", delete)):
        first = (await store.write(user, command)).answer
        again = (await store.write(user, command)).answer
        assert isinstance(first, Changed)
        assert isinstance(again, Changed)
        assert (again.seq, again.version, first.duplicate, again.duplicate) == (
            first.seq,
            first.version,
            False,
            True,
        )
    for stranger in (leave, delete):
        with pytest.raises(Unknown):
            await store.write("eve", stranger)


async def test_a_page_of_large_messages_ends_early_and_leads_on(tmp_path: Path) -> None:
    async with OpenStore(tmp_path / "main.db", Settings(recover_bytes_max=100_000)) as store:
        conversation = await store.create("alice", "bob")
        for index in range(1, 10):
            await store.send("alice", conversation, str(index), "x" * 40_000)
        bytes_max = 100_000
        for anchor, expected in (
            ({}, [8, 9]),
            ({"before": 8}, [6, 7]),
            ({"after": 0}, [1, 2]),
            ({"around": 5}, [4, 5]),
            ({"around": 1}, [1, 2]),
            ({"around": 9}, [8, 9]),
            ({"around": 99}, [8, 9]),
        ):
            page = await store.store.page("bob", ReadHistory(conversation_id=conversation, **anchor), 50)
            forward = "after" in anchor or "around" in anchor
            ahead, behind = (page.next, page.previous) if forward else (page.previous, page.next)
            assert [message.seq for message in page.items] == expected
            assert ahead == (None if expected[-1] == 9 else expected[-1])
            assert behind == (None if expected[0] == 1 else expected[0])
            assert sum(len(message.content or "") for message in page.items) <= bytes_max


async def test_a_message_larger_than_a_page_is_one_alone_whatever_the_anchor(tmp_path: Path) -> None:
    async with OpenStore(tmp_path / "main.db", Settings(recover_bytes_max=30_000)) as store:
        conversation = await store.create("alice", "bob")
        for index in range(1, 4):
            await store.send("alice", conversation, str(index), "x" * 40_000)
        assert await _page(store, conversation) == ([3], 3, None)
        assert await _page(store, conversation, before=3) == ([2], 2, 2)
        assert await _page(store, conversation, after=1) == ([2], 2, 2)
        assert await _page(store, conversation, around=2) == ([2], 2, 2)
        assert await _page(store, conversation, around=9) == ([3], None, 3)
