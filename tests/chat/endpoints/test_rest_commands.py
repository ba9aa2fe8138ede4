"""Which command each request becomes, and which answer it gets."""

from __future__ import annotations

import msgspec
import pytest

from chat.commands import (
    AddMember,
    Command,
    CreateConversation,
    DeleteConversation,
    DeleteMessage,
    EditMessage,
    GetConversation,
    GetMessage,
    ListConversations,
    ListMembers,
    MarkRead,
    ReadEvents,
    ReadHistory,
    ReadPresence,
    RemoveMember,
    RestoreConversation,
    RestoreMessages,
    SendMessage,
    ShowTyping,
    UpdateConversation,
    UpdateMember,
)
from chat.models import RowId
from chat.store import Created
from tests.chat.endpoints.rest_stand import CHANGED, CONVERSATION, ID, PATH, SENT, Core, ask

SEND = {"client_message_id": "k-1", "content": "hi"}

REQUESTS: list[tuple[str, str, object, Command]] = [
    ("POST", "/v1/conversations", {"members": ["bob"]}, CreateConversation(members=["bob"])),
    (
        "POST",
        "/v1/conversations",
        {
            "members": ["bob"],
            "title": "Lunch",
            "kind": "team",
            "metadata": {"a": [1]},
            "idempotency_key": "k",
        },
        CreateConversation(
            members=["bob"], title="Lunch", kind="team", metadata={"a": [1]}, idempotency_key="k"
        ),
    ),
    ("GET", "/v1/conversations", None, ListConversations()),
    ("GET", "/v1/conversations?limit=5&cursor=9.9", None, ListConversations(limit=5, cursor="9.9")),
    ("GET", PATH, None, GetConversation(conversation_id=ID)),
    ("PATCH", PATH, {"title": None}, UpdateConversation(conversation_id=ID, title=None)),
    ("PATCH", PATH, {"metadata": {}}, UpdateConversation(conversation_id=ID, metadata={})),
    ("DELETE", PATH, None, DeleteConversation(conversation_id=ID)),
    ("POST", f"{PATH}/leave", None, RemoveMember(conversation_id=ID, user="alice")),
    ("GET", f"{PATH}/members?limit=2", None, ListMembers(conversation_id=ID, limit=2)),
    ("POST", f"{PATH}/members", {"user": "carol"}, AddMember(conversation_id=ID, user="carol")),
    (
        "PATCH",
        f"{PATH}/members/carol",
        {"role": "admin"},
        UpdateMember(conversation_id=ID, user="carol", role="admin"),
    ),
    ("DELETE", f"{PATH}/members/carol", None, RemoveMember(conversation_id=ID, user="carol")),
    ("DELETE", f"{PATH}/members/a%2Fb%20c", None, RemoveMember(conversation_id=ID, user="a/b c")),
    (
        "POST",
        f"{PATH}/messages",
        SEND,
        SendMessage(conversation_id=ID, client_message_id="k-1", content="hi"),
    ),
    (
        "POST",
        f"{PATH}/messages",
        SEND | {"reply_to": 3.0, "attachments": [{"a": 1.0}], "role": "tool", "durability": "replicated"},
        SendMessage(
            conversation_id=ID,
            client_message_id="k-1",
            content="hi",
            reply_to=3,
            attachments=[{"a": 1.0}],
            role="tool",
            durability="replicated",
        ),
    ),
    ("GET", f"{PATH}/messages", None, ReadHistory(conversation_id=ID)),
    ("GET", f"{PATH}/messages?before=8&limit=3", None, ReadHistory(conversation_id=ID, before=8, limit=3)),
    ("GET", f"{PATH}/messages?after=0", None, ReadHistory(conversation_id=ID, after=0)),
    ("GET", f"{PATH}/messages?around=8", None, ReadHistory(conversation_id=ID, around=8)),
    ("GET", f"{PATH}/messages/7", None, GetMessage(conversation_id=ID, seq=7)),
    (
        "PATCH",
        f"{PATH}/messages/7",
        {"content": "ho", "attachments": None, "version": "aa11.9"},
        EditMessage(conversation_id=ID, seq=7, content="ho", attachments=None, version="aa11.9"),
    ),
    ("DELETE", f"{PATH}/messages/7", None, DeleteMessage(conversation_id=ID, seq=7)),
    ("GET", f"{PATH}/events", None, ReadEvents(conversation_id=ID)),
    (
        "GET",
        f"{PATH}/events?epoch=aa11&offset=3&seen_seq=2&seen_epoch=cc&limit=4",
        None,
        ReadEvents(conversation_id=ID, epoch="aa11", offset=3, seen=RowId(2, "cc"), limit=4),
    ),
    ("PUT", f"{PATH}/read", {"seq": 7}, MarkRead(conversation_id=ID, seq=7)),
    (
        "PUT",
        f"{PATH}/read",
        {"seq": 7, "version": "aa11.7"},
        MarkRead(conversation_id=ID, seq=7, version="aa11.7"),
    ),
    ("POST", f"{PATH}/typing", None, ShowTyping(conversation_id=ID)),
    ("GET", f"{PATH}/presence", None, ReadPresence(conversation_id=ID)),
]


@pytest.mark.parametrize(("method", "path", "body", "command"), REQUESTS)
async def test_a_request_becomes_its_command(
    core: Core, method: str, path: str, body: object, command: Command
) -> None:
    answer = await ask(core, method, path, json=body) if body is not None else await ask(core, method, path)

    assert answer.status_code in (200, 201, 204), answer.text
    assert core.asked == [("alice", command)]


def test_every_command_of_the_chat_can_be_asked_over_rest() -> None:
    asked = {type(command) for *_, command in REQUESTS}
    everything = {kind for kind in _descendants(Command) if kind.__module__ == Command.__module__}
    leaves = {kind for kind in everything if not everything & set(kind.__subclasses__())}

    # An operator asks for a whole conversation, and the revival writes these.
    assert asked == leaves - {RestoreConversation, RestoreMessages}


async def test_what_only_the_server_may_say_is_ignored_in_a_body(core: Core) -> None:
    forged = SEND | {
        "sender": "bob",
        "seq": 99,
        "created_at": 1,
        "conversation_id": "main:other",
        "epoch": "x",
    }

    await ask(core, "POST", f"{PATH}/messages", json=forged)

    assert core.command == SendMessage(conversation_id=ID, client_message_id="k-1", content="hi")


async def test_the_path_wins_over_a_query_of_the_same_name(core: Core) -> None:
    await ask(core, "GET", f"{PATH}/messages/7?seq=1&conversation_id=main:other")

    assert core.command == GetMessage(conversation_id=ID, seq=7)


async def test_a_new_conversation_is_201_with_its_address_and_version(core: Core) -> None:
    answer = await ask(core, "POST", "/v1/conversations", json={"members": ["bob"]})

    assert answer.status_code == 201
    assert answer.headers["location"] == PATH
    assert answer.headers["etag"] == '"aa11.3"'
    assert answer.json() == {**msgspec.to_builtins(CONVERSATION), "duplicate": False}


async def test_a_conversation_that_the_key_had_created_is_200(core: Core) -> None:
    core.answers[CreateConversation] = Created(conversation=CONVERSATION, duplicate=True)

    answer = await ask(core, "POST", "/v1/conversations", json={})

    assert (answer.status_code, answer.json()["duplicate"]) == (200, True)


async def test_a_sent_message_is_201_with_its_address_and_version(core: Core) -> None:
    answer = await ask(core, "POST", f"{PATH}/messages", json=SEND)

    assert answer.status_code == 201
    assert answer.headers["location"] == f"{PATH}/messages/7"
    assert answer.headers["etag"] == '"bb22.7"'
    assert answer.json() == {
        "conversation_id": ID,
        "seq": 7,
        "epoch": "bb22",
        "version": "bb22.7",
        "created_at": 1,
        "duplicate": False,
        "durability": "committed",
    }


async def test_a_message_that_the_key_had_sent_is_200(core: Core) -> None:
    core.answers[SendMessage] = msgspec.structs.replace(SENT, duplicate=True)

    answer = await ask(core, "POST", f"{PATH}/messages", json=SEND)

    assert (answer.status_code, answer.json()["duplicate"]) == (200, True)


async def test_an_edit_answers_with_the_version_that_it_made(core: Core) -> None:
    answer = await ask(core, "PATCH", f"{PATH}/messages/7", json={"content": "ho"})

    assert (answer.status_code, answer.headers["etag"]) == (200, '"bb22.9"')
    assert answer.json()["message_seq"] == 7


async def test_a_member_who_is_added_is_201_and_once_more_200(core: Core) -> None:
    first = await ask(core, "POST", f"{PATH}/members", json={"user": "carol"})
    core.answers[AddMember] = msgspec.structs.replace(CHANGED, duplicate=True)
    second = await ask(core, "POST", f"{PATH}/members", json={"user": "carol"})

    assert (first.status_code, second.status_code) == (201, 200)


async def test_typing_answers_without_content(core: Core) -> None:
    answer = await ask(core, "POST", f"{PATH}/typing")

    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_head_is_answered_as_a_get(core: Core) -> None:
    answer = await ask(core, "HEAD", f"{PATH}/messages/7")

    assert (answer.status_code, answer.headers["etag"]) == (200, '"aa11.9"')


def _descendants(kind: type[Command]) -> set[type[Command]]:
    children = kind.__subclasses__()
    return set(children).union(*(_descendants(child) for child in children))
