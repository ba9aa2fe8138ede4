"""Parts that come back from a real replica: a conversation into the live file, and the file of one persona."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest

from chat.commands import DeleteConversation, RemoveMember
from chat.errors import Unknown
from ops.restoring import moment
from ops.restoring.locks import server_of
from ops.restoring.place import Place
from tests.ops.restoring.replicated import Replicated
from tests.support.server import PROJECT, palaver
from tests.support.stores import OpenStore
from tests.support.terminal import answered

UNKNOWN = "main:0199f0c1-2a3b-7c4d-8e5f-60718293a4b5"


async def test_a_deleted_message_comes_back_from_the_replica(
    replicated: Replicated, store: OpenStore, place: Place
) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "k", "hello")
    at = moment.iso(replicated.sync())
    await store.delete("alice", conversation, 1)
    replicated.sync()
    await store.store.close()
    replicated.stop()
    code, out, err = await _palaver(
        place, "restore", "conversation", conversation, "--at", at, "--yes", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["messages_restored"] == 1
    await store.store.open()
    found: Any = (await store.recover("bob", conversation, "", 0)).events
    assert (found[0].content, found[2].content) == ("hello", "hello")


async def test_the_file_of_a_persona_is_put_back_while_main_is_served_and_not_touched(place: Place) -> None:
    place.data.mkdir(exist_ok=True)
    main, luna = place.data / "main.db", place.data / "persona_luna.db"
    async with OpenStore(main) as everybody, OpenStore(luna) as hers:
        conversation = await everybody.create("alice")
        talk = await hers.create("alice")
        with Replicated(place, ("main.db", "persona_luna.db")) as replicated:
            at = moment.iso(replicated.sync())
            await everybody.send("alice", conversation, "k")
            await hers.send("alice", talk, "k")
            replicated.sync()
    wanted = ("restore", "persona", "luna", "--at", at, "--yes", "--json")
    async with OpenStore(luna):
        code, _, err = await _palaver(place, *wanted)
        assert (code, "persona_luna.db is served by" in err) == (1, True)
    async with OpenStore(main) as everybody:
        assert server_of(main) == os.getpid()
        code, _, err = await _palaver(place, *wanted)
        assert code == 0, err
        async with OpenStore(luna) as hers:
            assert (await hers.recover("alice", talk, "", 0)).top.seq == 0
            kinds = [each.kind for each in hers.store.timeline.since("")]
            assert kinds == ["start", "restore", "start"]
        assert (await everybody.recover("alice", conversation, "", 0)).top.seq == 1


async def test_a_restore_in_place_can_waive_the_ledger(
    replicated: Replicated, store: OpenStore, place: Place
) -> None:
    conversation = await store.create("alice", "bob")
    at = moment.iso(replicated.sync())
    await store.write("alice", RemoveMember(conversation_id=conversation, user="bob"))
    replicated.sync()
    await store.store.close()
    replicated.stop()
    options = ("restore", "--at", at, "--in-place", "--yes", "--json")
    code, _, err = await _palaver(place, *options)
    assert code == 0, err
    await store.store.open()
    with pytest.raises(Unknown):
        await store.recover("bob", conversation, "", 0)
    await store.store.close()
    code, _, err = await _palaver(place, *options, "--ledger", "skip")
    assert code == 0, err
    await store.store.open()
    assert (await store.recover("bob", conversation, "", 0)).role == "member"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("persona", "main", "--at", "-1m"), "everybody's file"),
        (("persona", "../x", "--at", "-1m"), "no persona"),
        (("conversation", "main:nothing", "--at", "-1m"), "write it as main:0199f0c1"),
        (("conversation", UNKNOWN, "--from", "nothere.db"), "--from nothere.db: there is no such file"),
        (("conversation", UNKNOWN, "--from", "README.md"), "--from README.md: file is not a database"),
        (("conversation", UNKNOWN), "either --at and a moment"),
    ],
)
async def test_what_cannot_be_is_refused_with_what_to_do(
    place: Place, arguments: tuple[str, ...], said: str
) -> None:
    code, _, err = await _palaver(place, "restore", *arguments)
    assert code == (1 if "--from" in arguments else 2)
    assert said in err
    assert "doctor" not in err


async def test_a_dry_run_fails_where_the_real_one_would(
    replicated: Replicated, store: OpenStore, place: Place
) -> None:
    await store.create("alice")
    at = moment.iso(replicated.sync())
    for how in ("--dry-run", "--yes"):
        code, out, err = await _palaver(place, "restore", "conversation", UNKNOWN, "--at", at, how)
        assert (code, out) == (1, "")
        assert "the copy does not have that conversation" in err
        code, _, err = await _palaver(place, "restore", "conversation", UNKNOWN, "--at", "2199-01-01", how)
        assert (code, "in the future" in err, "--latest" in err) == (1, True, False)


async def test_the_question_stands_still_until_it_is_answered(
    replicated: Replicated, store: OpenStore, place: Place
) -> None:
    conversation = await store.create("alice", "bob")
    await store.send("alice", conversation, "k", "hello")
    at = moment.iso(replicated.sync())
    await store.write("alice", DeleteConversation(conversation_id=conversation))
    command = palaver("restore", "conversation", conversation, "--at", at)
    code, before, after = await asyncio.to_thread(answered, command, _environment(place), "[y/N]: ", "n")
    assert code == 1
    assert "The conversation itself is deleted today: it comes back, with 1 messages and 2 members." in before
    assert after.splitlines() == ["n", "palaver restore: nothing was brought back, and nothing was touched"]


async def _palaver(place: Place, *arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *palaver(*arguments),
        cwd=PROJECT,
        env=_environment(place),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def _environment(place: Place) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "PALAVER_DATA": str(place.data), "PALAVER_REPLICA": place.replica}
