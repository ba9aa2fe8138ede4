"""What docs/reference/socket.md says of methods, answers, events and notices; examples are encoded, not typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from chat.broker import Ephemeral
from chat.commands import Command
from chat.endpoints.field_notes import FIELD_NOTES
from chat.endpoints.openapi_schemas import parameter_schemas
from chat.endpoints.socket_commands import WIRE
from chat.errors import SHUTDOWN, UNSUBSCRIBED, KeyReused
from chat.hub import Client, Hub, Wish
from chat.ids import USER_CHANNEL
from chat.models import (
    AnyEvent,
    Conversation,
    ConversationDeleted,
    ConversationRestored,
    ConversationUpdated,
    EventPage,
    Listing,
    MemberChanged,
    MemberJoined,
    MemberLeft,
    MemberPage,
    Message,
    MessageDeleted,
    MessageEdited,
    MessageRestored,
    Page,
    RowId,
    User,
)
from chat.observer import NullObserver
from chat.presence import Presence
from chat.protocols import centrifuge_json
from chat.protocols.answers import CreatedConversation
from chat.protocols.centrifuge_results import ConnectResult, SubscribeResult
from chat.protocols.centrifuge_wire import client_info
from chat.protocols.rpc import METHODS, NOT_OFFERED
from chat.protocols.subscriptions import TOPICS, SubscribeData, SubscribedData, subscribed
from chat.settings import Settings
from chat.store import Changed, Committed, News, ReadMark, Recovered, Sent
from chat.timeline import Claim
from tests.docs.generated import table
from tests.docs.rest_reference import answered
from tests.docs.schema_text import COLUMNS, about, fields, row

CONVERSATION = "main:0199f0c1-2a3b-7c4d-8e5f-60718293a4b5"
EPOCH = "k3f9x2a1"
AT_MS = 1_790_000_000_000

ANSWERS: Mapping[str, type[msgspec.Struct] | None] = {
    "send": Sent,
    "edit": Changed,
    "delete": Changed,
    "read": ReadMark,
    "typing": None,
    "history": Page,
    "events": EventPage,
    "message": Message,
    "conversations": Listing,
    "conversation": Conversation,
    "create_conversation": CreatedConversation,
    "update_conversation": Changed,
    "delete_conversation": Changed,
    "members": MemberPage,
    "add_member": Changed,
    "update_member": Changed,
    "remove_member": Changed,
    "leave": Changed,
    "presence": Presence,
}
"""What each method answers; None is an empty object. A test asks a server."""

EXAMPLES: tuple[AnyEvent, ...] = (
    Message(
        conversation_id=CONVERSATION,
        seq=7,
        epoch=EPOCH,
        sender="alice",
        client_message_id="0b9f6f4e-6d0c-4c0e-9a63-0f2f4c1d7a11",
        role="user",
        content_type="text",
        content="hi bob",
        created_at=AT_MS,
        changed_seq=7,
    ),
    MessageEdited(
        conversation_id=CONVERSATION,
        seq=8,
        epoch=EPOCH,
        message_seq=7,
        changed_seq=8,
        actor="alice",
        content_type="text",
        content="hi, bob!",
        edited_at=AT_MS + 5_000,
    ),
    MessageDeleted(
        conversation_id=CONVERSATION,
        seq=9,
        epoch=EPOCH,
        message_seq=7,
        changed_seq=9,
        actor="alice",
        deleted_at=AT_MS + 9_000,
    ),
    MessageRestored(
        conversation_id=CONVERSATION,
        seq=15,
        epoch=EPOCH,
        message_seq=7,
        changed_seq=15,
        actor="operator",
        content_type="text",
        content="hi, bob!",
        edited_at=AT_MS + 5_000,
    ),
    MemberJoined(
        conversation_id=CONVERSATION,
        seq=10,
        epoch=EPOCH,
        user="carol",
        role="member",
        actor="alice",
        created_at=AT_MS,
    ),
    MemberChanged(
        conversation_id=CONVERSATION,
        seq=11,
        epoch=EPOCH,
        user="carol",
        role="admin",
        actor="alice",
        created_at=AT_MS,
    ),
    MemberLeft(
        conversation_id=CONVERSATION, seq=12, epoch=EPOCH, user="carol", actor="carol", created_at=AT_MS
    ),
    ConversationUpdated(
        conversation_id=CONVERSATION, seq=13, epoch=EPOCH, actor="alice", created_at=AT_MS, title="Dinner"
    ),
    ConversationDeleted(conversation_id=CONVERSATION, seq=14, epoch=EPOCH, actor="alice", created_at=AT_MS),
    ConversationRestored(
        conversation_id=CONVERSATION, seq=15, epoch=EPOCH, actor="operator", created_at=AT_MS
    ),
)
LINKED = {"ConversationCreated": "conversationcreated", "CreatedConversation": "conversationcreated"}


class Notebook:
    """Stands where a connection's outbox is, and keeps what is pushed."""

    def __init__(self) -> None:
        self.pushed: list[bytes] = []

    def push(self, message: bytes) -> None:
        """Keep a message."""
        self.pushed.append(message)


def parts() -> dict[str, str]:
    """Return the page's parts by name."""
    return {
        "connect": _dialogue({"id": 1, "connect": {"token": "eyJ…", "name": "web"}}, _connected()),
        "subscribe": _dialogue(_subscribe(), _subscribed()),
        "subscribe-data": fields(_schema(SubscribeData), {}),
        "subscribed-data": fields(_schema(SubscribedData), FIELD_NOTES),
        "send": _dialogue(_send(), _acked(), _refused()),
        "methods": _overview(),
        "not-offered": ", ".join(f"`{name}`" for name in sorted(NOT_OFFERED)),
        "method-fields": "\n\n".join(_method(name) for name in METHODS),
        "answers": "\n\n".join(_answer(each) for each in (Page, EventPage, Listing, MemberPage, RowId)),
        "events": "\n\n".join(_event(event) for event in EXAMPLES),
        "notices": _json_lines(notices()),
        "news": _json_lines(news()),
        "pushes": _frames(_pushes()),
    }


def notices() -> list[bytes]:
    """Let a hub hand on each topic's notice, and return what goes to a subscriber."""
    hub, outbox = _listening(CONVERSATION, Wish(ephemeral=TOPICS))
    hub.ephemeral(Ephemeral(CONVERSATION, "typing", "alice"))
    hub.ephemeral(Ephemeral(CONVERSATION, "read", "alice", 7))
    hub.ephemeral(Ephemeral(CONVERSATION, "replicated", epoch=EPOCH, replicated_seq=7))
    return outbox.pushed


def news() -> list[bytes]:
    """Let a hub hand on each kind of news, and return what goes to the user whom it is about."""
    hub, outbox = _listening(USER_CHANNEL + "bob", Wish())
    told = tuple(News("bob", kind, CONVERSATION) for kind in ("created", "joined", "removed"))
    answer = ReadMark(conversation_id=CONVERSATION, read_seq=0, unread_count=0)
    hub.committed([Committed(answer, news=told)])
    return outbox.pushed


def _listening(channel: str, wish: Wish) -> tuple[Hub, Notebook]:
    hub, outbox = Hub(Settings(), NullObserver()), Notebook()
    client = Client("c1", User("bob"), WIRE, outbox)  # type: ignore[arg-type]
    hub.enter(client)
    hub.go_live(hub.register(client, channel, wish), 0)
    return hub, outbox


def _overview() -> str:
    rows = [
        [f"[`{name}`](#rpc-{name})", _first_sentence(command), _link(ANSWERS[name])]
        for name, command in METHODS.items()
    ]
    return table(["Method", "What it does", "Answer"], rows)


def _method(name: str) -> str:
    command = METHODS[name]
    schemas = parameter_schemas(command)
    rows = [
        row(field.name, schemas[field.name], field.required, FIELD_NOTES.get(field.name, ""))
        for field in msgspec.structs.fields(command)
    ]
    text = about({"description": command.__doc__})
    return f'<a id="rpc-{name}"></a>\n\n### `{name}`\n\n{text}\n\n{_linked(table(COLUMNS, rows))}'


def _first_sentence(command: type[Command]) -> str:
    return about({"description": command.__doc__}).partition(". ")[0].rstrip(".") + "."


def _link(answer: type[msgspec.Struct] | None) -> str:
    if answer is None:
        return "`{}`"
    name = answer.__name__
    if name in LINKED or name in answered():
        return f"[{name}](rest.md#{LINKED.get(name, name.lower())})"
    return f"[{name}](#{name.lower()})"


def _answer(struct: type[msgspec.Struct]) -> str:
    schema = _schema(struct)
    notes = dict(FIELD_NOTES) | {
        "next": "Where to go on from; null at the end.",
        "previous": "Where to go on from the other way; null at that end.",
    }
    return f"### {struct.__name__}\n\n{about(schema)}\n\n{_linked(fields(schema, notes))}"


def _linked(text: str) -> str:
    """Let the links to structs lead to where they are described: all but one in the reference of REST."""
    return text.replace("](#", "](rest.md#").replace("](rest.md#rowid)", "](#rowid)")


def _event(event: AnyEvent) -> str:
    kind = type(event)
    name = str(kind.__struct_config__.tag)
    text = about({"description": kind.__doc__})
    example = _json_lines([msgspec.json.encode(event)])
    return f'<a id="{name}"></a>\n\n### `{name}`\n\n{text}\n\n{example}'


def _schema(struct: type[msgspec.Struct]) -> dict[str, Any]:
    _, found = msgspec.json.schema_components([struct])
    schema: dict[str, Any] = found[struct.__name__]
    return schema


def _connected() -> bytes:
    own = USER_CHANNEL + "alice"
    result = ConnectResult(
        client="0199f0c2-7c1e-7b3a-9a55-3f1c2d4e5f60",
        version="palaver",
        expires=True,
        ttl=86_400,
        subs={own: SubscribeResult()},
        ping=25,
        pong=True,
        time=AT_MS,
    )
    return centrifuge_json.reply(1, "connect", centrifuge_json.encode_result(result))


def _subscribe() -> dict[str, object]:
    data = {"seen": {"seq": 6, "epoch": EPOCH}, "ephemeral": sorted(TOPICS)}
    wish = {"channel": CONVERSATION, "recover": True, "epoch": EPOCH, "offset": 6, "data": data}
    return {"id": 2, "subscribe": wish}


def _subscribed() -> bytes:
    top = RowId(seq=7, epoch=EPOCH)
    found = Recovered(
        epoch=EPOCH,
        top=top,
        first_seq=1,
        role="member",
        read_seq=6,
        recovered=True,
        events=[EXAMPLES[0]],
    )
    result = subscribed(found, Claim(EPOCH, 6), 7)
    return centrifuge_json.reply(2, "subscribe", centrifuge_json.encode_result(result))


def _send() -> dict[str, object]:
    data = {"conversation_id": CONVERSATION, "client_message_id": "c-1", "content": "hello"}
    return {"id": 3, "rpc": {"method": "send", "data": data}}


def _acked() -> bytes:
    sent = Sent(
        conversation_id=CONVERSATION,
        seq=8,
        epoch=EPOCH,
        version=f"{EPOCH}.8",
        created_at=AT_MS,
        duplicate=False,
    )
    return centrifuge_json.reply_rpc(3, msgspec.json.encode(sent))


def _refused() -> bytes:
    return centrifuge_json.error(3, KeyReused())


def _pushes() -> list[bytes]:
    client = Client("c2", User("carol"), WIRE, Notebook())  # type: ignore[arg-type]
    return [
        WIRE.event(EXAMPLES[0]),
        centrifuge_json.push_join(CONVERSATION, client_info(client)),
        centrifuge_json.push_leave(CONVERSATION, client_info(client)),
        centrifuge_json.push_unsubscribe(CONVERSATION, UNSUBSCRIBED),
        centrifuge_json.push_disconnect(SHUTDOWN),
        centrifuge_json.PING,
    ]


def _dialogue(request: dict[str, object], *replies: bytes) -> str:
    asked = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
    # What stands here must be something that the server reads.
    assert len(centrifuge_json.decode(asked)) == 1
    return _frames([b"-> " + asked, *(b"<- " + reply for reply in replies)])


def _frames(lines: list[bytes]) -> str:
    return "```text\n" + _joined(lines) + "\n```"


def _json_lines(lines: list[bytes]) -> str:
    return "```json\n" + _joined(lines) + "\n```"


def _joined(lines: list[bytes]) -> str:
    return b"\n".join(lines).decode()
