"""Attacks on who one is: a body cannot claim to come from another, another time or another place."""

from __future__ import annotations

import time
import unicodedata
from typing import Any

import pytest

from tests.support.client import SocketClient
from tests.support.rest import RestClient
from tests.support.scene import Scene, draft, refused

Json = dict[str, Any]
BAD_REQUEST, UNKNOWN, FORBIDDEN = 107, 102, 103
LONG_AGO_MS = 1
SKEW_MS = 60_000


def claims(scene: Scene, elsewhere: str) -> Json:
    """Return the fields by which mallory claims to be alice, long ago, in another place."""
    return {
        "sender": scene.user("alice"),
        "user_id": scene.user("alice"),
        "actor": scene.user("alice"),
        "owner": scene.user("alice"),
        "sub": scene.user("alice"),
        "seq": 77,
        "changed_seq": 77,
        "epoch": "forged",
        "created_at": LONG_AGO_MS,
        "edited_at": LONG_AGO_MS,
        "deleted_at": LONG_AGO_MS,
        "scope": "ops assistant",
        "id": elsewhere,
        "generation": 0,
    }


async def test_what_a_body_claims_about_its_sender_place_and_time_is_ignored(scene: Scene) -> None:
    alice, mallory = await scene.enter("alice"), await scene.enter("mallory")
    elsewhere = await scene.converse(alice)
    here = await scene.converse(mallory, "alice")
    forged = claims(scene, elsewhere)

    async with RestClient(scene.server.url, scene.token("mallory")) as rest:
        await rest.send(here, "by rest", "1", **forged, conversation_id=elsewhere)
        await mallory.rpc("send", {**forged, **draft(here, "2", "by socket")})
        items = await rest.messages(here)

    assert [(item["seq"], item["sender"], item["conversation_id"]) for item in items] == [
        (seq, scene.user("mallory"), here) for seq in (1, 2)
    ]
    now_ms = time.time() * 1000
    for item in items:
        assert abs(item["created_at"] - now_ms) < SKEW_MS
        assert item["role"] == "user"
        assert item["epoch"] != "forged"
        assert item.keys().isdisjoint({"edited_at", "deleted_at", "scope", "owner"})
    assert (await alice.rpc("history", {"conversation_id": elsewhere}))["items"] == []


async def test_a_new_conversation_belongs_to_whoever_opens_it_whatever_the_body_says(scene: Scene) -> None:
    mallory = await scene.enter("mallory")
    forged = {**claims(scene, "main:x"), "conversation_id": "main:x", "role": "owner", "last_seq": 77}

    created = await mallory.rpc("create_conversation", forged)

    members = await mallory.rpc("members", {"conversation_id": created["conversation_id"]})
    assert [(member["user"], member["role"]) for member in members["items"]] == [
        (scene.user("mallory"), "owner")
    ]
    assert created["created_at"] > LONG_AGO_MS


@pytest.mark.parametrize("role", ["assistant", "system", "tool", "owner", "", None, 7])
async def test_nobody_speaks_in_a_role_that_his_token_does_not_give(scene: Scene, role: object) -> None:
    mallory = await scene.enter("mallory")
    here = await scene.converse(mallory)

    assert (await refused(mallory.rpc("send", {**draft(here, "k"), "role": role}))).code == BAD_REQUEST
    async with RestClient(scene.server.url, scene.token("mallory")) as rest:
        body = {"client_message_id": "k", "content": "hi", "role": role}
        assert (await rest.http.post(f"/v1/conversations/{here}/messages", json=body)).status_code == 400
        assert await rest.messages(here) == []


async def test_a_member_cannot_raise_himself_or_act_for_another(scene: Scene) -> None:
    alice, mallory = await scene.enter("alice"), await scene.enter("mallory")
    here = {"conversation_id": await scene.converse(alice, "mallory")}
    said = await alice.send(here["conversation_id"], "k", "by alice")
    of_alice = {"user": scene.user("alice")}

    attempts = [
        ("update_member", {"user": scene.user("mallory"), "role": "owner"}),
        ("update_member", {**of_alice, "role": "member"}),
        ("remove_member", of_alice),
        ("add_member", {"user": scene.user("eve"), "role": "admin"}),
        ("update_conversation", {"title": "mine"}),
        ("delete_conversation", {}),
        ("edit", {"seq": said["seq"], "content": "not by alice", "sender": scene.user("mallory")}),
        ("delete", {"seq": said["seq"], **of_alice}),
    ]
    for method, fields in attempts:
        assert (await refused(mallory.rpc(method, {**here, **fields}))).code == FORBIDDEN, method
    page = await alice.rpc("history", here)
    assert (page["offset"], [item["content"] for item in page["items"]]) == (1, ["by alice"])


async def test_whoever_leaves_leaves_alone_whoever_the_body_names(scene: Scene) -> None:
    alice, mallory = await scene.enter("alice"), await scene.enter("mallory")
    here = {"conversation_id": await scene.converse(alice, "mallory")}

    await mallory.rpc("leave", {**here, "user": scene.user("alice")})

    members = await alice.rpc("members", here)
    assert [member["user"] for member in members["items"]] == [scene.user("alice")]


async def test_the_keys_of_one_user_mean_nothing_for_another(scene: Scene) -> None:
    alice, bob = await scene.enter("alice"), await scene.enter("bob")
    here = await scene.converse(alice, "bob")

    acks = [
        await alice.send(here, "key", "by alice"),
        await bob.send(here, "key", "by bob"),
        await alice.send(here, "key", "by alice"),
        await bob.send(here, "key", "by bob"),
    ]

    assert [(ack["seq"], ack["duplicate"]) for ack in acks] == [(1, False), (2, False), (1, True), (2, True)]
    items = (await bob.rpc("history", {"conversation_id": here}))["items"]
    assert [(item["sender"], item["content"]) for item in items] == [
        (scene.user("alice"), "by alice"),
        (scene.user("bob"), "by bob"),
    ]


async def test_the_key_of_anothers_creation_or_edit_finds_nothing_of_his(scene: Scene) -> None:
    alice, bob = await scene.enter("alice"), await scene.enter("bob")
    wanted = {"members": [scene.user("bob")], "idempotency_key": f"key-{scene.user('x')}"}
    hers = await alice.rpc("create_conversation", wanted)
    his = await bob.rpc("create_conversation", {**wanted, "members": []})
    assert hers["conversation_id"] != his["conversation_id"]

    here = {"conversation_id": hers["conversation_id"]}
    for client in (alice, bob):
        said = await client.send(here["conversation_id"], "k", "before")
        edit = {**here, "seq": said["seq"], "content": "after", "idempotency_key": "e"}
        changed = await client.rpc("edit", edit)
        assert (changed["message_seq"], changed["duplicate"]) == (said["seq"], False)


LOOK_ALIKES = {
    "upper case": str.upper,
    "a space after it": lambda user: f"{user} ",
    "a space before it": lambda user: f" {user}",
    "a cyrillic letter": lambda user: user.replace("a", "\u0430", 1),
    "a full-width letter": lambda user: user.replace("a", "\uff41", 1),
    "an invisible letter": lambda user: f"{user}\u200b",
    "another normal form": lambda user: unicodedata.normalize("NFD", user),
    "a wildcard": lambda user: user[:-1] + "%",
    "a pattern": lambda user: user[:-1] + "*",
    "a quote": lambda user: f"{user}' OR '1'='1",
}


@pytest.mark.parametrize("disguise", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
async def test_a_name_that_looks_like_another_is_another(scene: Scene, disguise: Any) -> None:
    name = f"alic\u00e9-{scene.user('')}"
    alice = SocketClient(scene.server.ws_url, scene.server.token(name))
    other = SocketClient(scene.server.ws_url, scene.server.token(disguise(name)))
    async with alice, other:
        conversation = await scene.converse(alice)
        assert (await other.rpc("conversations", {}))["items"] == []
        for refusal in (
            await refused(other.subscribe(conversation)),
            await refused(other.subscribe(f"user:{name}")),
            await refused(other.rpc("history", {"conversation_id": conversation})),
        ):
            assert refusal.code == UNKNOWN
