"""REST of the real server: every route on its happy path."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from chat.settings import Settings
from tests.chat.endpoints.rest_real import opened, said
from tests.support.rest import RestClient
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]


async def test_a_conversation_is_created_found_changed_and_hidden(alice: httpx2.AsyncClient) -> None:
    path = await opened(alice, "bob", title="Lunch", kind="team", metadata={"colour": "red"})
    shown = await alice.get(path)
    listed = await alice.get("/v1/conversations?limit=100")
    stale = await alice.patch(path, json={"title": "x"}, headers={"If-Match": '"zzzz.9"'})
    changed = await alice.patch(path, json={"title": None}, headers={"If-Match": shown.headers["etag"]})
    again = await alice.get(path)
    late = await alice.patch(path, json={"title": "x"}, headers={"If-Match": shown.headers["etag"]})
    hidden = await alice.delete(path)

    assert shown.json()["title"] == "Lunch"
    assert shown.json()["metadata"] == {"colour": "red"}
    assert (shown.json()["role"], shown.json()["last_seq"]) == ("owner", 0)
    assert shown.json() in listed.json()["items"]
    assert stale.status_code in (410, 412)
    assert (changed.status_code, changed.json()["seq"]) == (200, 1)
    assert again.headers["etag"] == changed.headers["etag"] != shown.headers["etag"]
    assert "title" not in again.json()
    assert (late.status_code, late.json()["code"]) == (412, 412)
    assert hidden.status_code == 200
    assert (await alice.get(path)).status_code == 404
    assert path.rpartition("/")[2] not in (await alice.get("/v1/conversations?limit=100")).text


async def test_the_key_of_a_creation_finds_the_first_conversation(alice: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": '"the key of lunch"'}
    first = await alice.post("/v1/conversations", json={"members": ["bob"]}, headers=key)
    second = await alice.post(
        "/v1/conversations", json={"members": ["bob"], "idempotency_key": "the key of lunch"}
    )
    other = await alice.post("/v1/conversations", json={"members": ["carol"]}, headers=key)

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json() | {"duplicate": True}
    assert (other.status_code, other.json()["code"]) == (409, 409)


async def test_a_message_is_sent_once_read_edited_and_deleted(
    alice: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    path = await opened(alice, "bob")
    draft = {"client_message_id": "k-1", "content": "hi", "metadata": {"n": 2**53}, "attachments": [{"a": 1}]}
    sent = await alice.post(f"{path}/messages", json=draft)
    again = await alice.post(f"{path}/messages", json=draft)
    by_header = await alice.post(
        f"{path}/messages", json={**draft, "client_message_id": "k-1"}, headers={"Idempotency-Key": "k-1"}
    )
    reused = await alice.post(f"{path}/messages", json=draft | {"content": "ho"})
    one = sent.headers["location"]
    shown = await bob.get(one)
    cached = await bob.get(one, headers={"If-None-Match": shown.headers["etag"]})
    edited = await alice.patch(one, json={"content": "ho"}, headers={"If-Match": shown.headers["etag"]})
    late = await alice.patch(one, json={"content": "hm"}, headers={"If-Match": shown.headers["etag"]})
    several = f"{shown.headers['etag']}, {edited.headers['etag']}"
    deleted = await alice.delete(one, headers={"If-Match": several})
    tombstone = await bob.get(one)

    assert (sent.status_code, sent.json()["seq"], sent.json()["duplicate"]) == (201, 1, False)
    assert (again.status_code, again.json()) == (200, sent.json() | {"duplicate": True})
    assert by_header.status_code == 200
    assert (reused.status_code, reused.json()["code"]) == (409, 409)
    assert shown.json()["content"] == "hi"
    assert shown.json()["metadata"] == {"n": 2**53}
    assert shown.headers["etag"] == sent.headers["etag"]
    assert (cached.status_code, cached.content) == (304, b"")
    assert (edited.status_code, edited.json()["message_seq"], edited.json()["seq"]) == (200, 1, 2)
    assert (late.status_code, late.json()["code"]) == (412, 412)
    assert (deleted.status_code, deleted.json()["seq"]) == (200, 3)
    assert "content" not in tombstone.json()
    assert tombstone.json()["deleted_at"] > 0
    assert tombstone.headers["etag"] == deleted.headers["etag"]
    assert (await alice.post(f"{path}/messages", json=draft)).json()["seq"] == 1


async def test_history_is_read_in_pages_from_both_ends(alice: httpx2.AsyncClient) -> None:
    path = await opened(alice)
    for number in range(7):
        await said(alice, path, str(number))

    def seqs(page: Json) -> list[int]:
        return [item["seq"] for item in page["items"]]

    newest = (await alice.get(f"{path}/messages?limit=3")).json()
    older = (await alice.get(newest["next"])).json()
    oldest = (await alice.get(older["next"])).json()
    forward = (await alice.get(f"{path}/messages?after=0&limit=4")).json()
    rest = await alice.get(forward["next"])
    around = (await alice.get(f"{path}/messages?around=4&limit=3")).json()
    above = (await alice.get(around["next"])).json()
    below = (await alice.get(around["previous"])).json()

    assert [seqs(newest), seqs(older), seqs(oldest)] == [[5, 6, 7], [2, 3, 4], [1]]
    assert (newest["offset"], oldest["next"]) == (7, None)
    assert [seqs(forward), seqs(rest.json())] == [[1, 2, 3, 4], [5, 6, 7]]
    assert (rest.json()["next"], rest.headers["link"]) == (
        None,
        f'<{path}/messages?before=5&limit=4>; rel="prev"',
    )
    assert [seqs(below), seqs(around), seqs(above)] == [[1, 2], [3, 4, 5], [6, 7]]
    assert (below["next"], above["next"]) == (None, None)
    assert (await alice.get(below["previous"])).json()["items"][0]["seq"] == 3


async def test_the_events_bring_everything_in_order_and_page_on(alice: httpx2.AsyncClient) -> None:
    path = await opened(alice, "bob")
    await said(alice, path)
    await alice.post(f"{path}/members", json={"user": "carol"})
    await alice.patch(f"{path}/members/carol", json={"role": "admin"})
    await alice.delete(f"{path}/members/carol")
    await alice.patch(path, json={"title": "Lunch"})
    await alice.patch(f"{path}/messages/1", json={"content": "ho"})
    await alice.delete(f"{path}/messages/1")

    items: list[Json] = []
    following: str | None = f"{path}/events?limit=3"
    while following:
        page = (await alice.get(following)).json()
        items += page["items"]
        following = page["next"]

    assert [item["seq"] for item in items] == [1, 2, 3, 4, 5, 6, 7]
    assert [item["type"] for item in items] == [
        "message",
        "member.joined",
        "member.changed",
        "member.left",
        "conversation.updated",
        "message.edited",
        "message.deleted",
    ]


async def test_events_go_on_from_what_was_seen_and_refuse_what_never_was(alice: httpx2.AsyncClient) -> None:
    path = await opened(alice)
    epoch = (await said(alice, path)).json()["epoch"]
    await said(alice, path)

    known = await alice.get(f"{path}/events?epoch={epoch}&offset=1")
    seen = await alice.get(f"{path}/events?epoch=lost&offset=1&seen_seq=1&seen_epoch={epoch}")
    unknown = await alice.get(f"{path}/events?epoch=lost&offset=1")
    beyond = await alice.get(f"{path}/events?epoch={epoch}&offset=99")

    assert [item["seq"] for item in known.json()["items"]] == [2]
    assert [item["seq"] for item in seen.json()["items"]] == [2]
    assert (unknown.status_code, unknown.json()["code"]) == (410, 112)
    assert (beyond.status_code, beyond.json()["code"]) == (410, 112)


async def test_reading_moves_forward_and_counts_what_is_left(
    alice: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    path = await opened(alice, "bob")
    for _ in range(3):
        await said(alice, path)
    before = (await bob.get(path)).json()
    read = await bob.put(f"{path}/read", json={"seq": 2})
    back = await bob.put(f"{path}/read", json={"seq": 1.0})

    assert (before["unread_count"], before["read_seq"]) == (3, 0)
    assert (read.status_code, read.json()["read_seq"], read.json()["unread_count"]) == (200, 2, 1)
    assert back.json()["read_seq"] == 2
    assert (await bob.get(path)).json()["unread_count"] == 1


async def test_members_come_change_and_go(alice: httpx2.AsyncClient, bob: httpx2.AsyncClient) -> None:
    path = await opened(alice, "bob")
    added = await alice.post(f"{path}/members", json={"user": "c/d e"}, headers={"Idempotency-Key": "m-1"})
    again = await alice.post(f"{path}/members", json={"user": "c/d e"}, headers={"Idempotency-Key": "m-1"})
    denied = await bob.post(f"{path}/members", json={"user": "dave"})
    changed = await alice.patch(f"{path}/members/c%2Fd%20e", json={"role": "admin"})
    first = (await alice.get(f"{path}/members?limit=2")).json()
    second = (await alice.get(first["next"])).json()
    removed = await alice.delete(f"{path}/members/c%2Fd%20e")
    left = await bob.post(f"{path}/leave")

    assert (added.status_code, again.status_code) == (201, 200)
    assert (denied.status_code, denied.json()["code"]) == (403, 103)
    assert changed.status_code == 200
    assert [(item["user"], item["role"]) for item in first["items"] + second["items"]] == [
        ("alice", "owner"),
        ("bob", "member"),
        ("c/d e", "admin"),
    ]
    assert second["next"] is None
    assert (removed.status_code, left.status_code) == (200, 200)
    assert (await bob.get(path)).status_code == 404


async def test_conversations_page_on_by_last_activity(shared_server: Server) -> None:
    async with RestClient(shared_server.url, shared_server.token("lister")) as lister:
        paths = [await opened(lister.http, title=str(number)) for number in range(3)]
        await said(lister.http, paths[0])
        first = await lister.http.get("/v1/conversations?limit=2")
        second = await lister.http.get(first.json()["next"])

    titles = [item["title"] for item in first.json()["items"] + second.json()["items"]]
    assert titles == ["0", "2", "1"]
    assert second.json()["next"] is None
    assert first.headers["link"] == f'<{first.json()["next"]}>; rel="next"'


async def test_a_limit_above_the_maximum_is_cut_to_it(alice: httpx2.AsyncClient) -> None:
    path = await opened(alice)
    maximum = Settings().page_max
    await asyncio.gather(*(said(alice, path, str(number)) for number in range(maximum + 1)))

    page = (await alice.get(f"{path}/messages?limit=9007199254740991")).json()
    default = (await alice.get(f"{path}/messages")).json()

    assert (len(page["items"]), len(default["items"])) == (maximum, Settings().page_default)


async def test_typing_and_presence_answer_whoever_is_a_member(alice: httpx2.AsyncClient) -> None:
    path = await opened(alice)

    assert (await alice.post(f"{path}/typing")).status_code == 204
    assert (await alice.get(f"{path}/presence")).json() == {"items": []}
