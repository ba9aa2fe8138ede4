"""Drafts: everything that can be refused without asking the database, and what a key stands for."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from chat.commands import (
    AddMember,
    CreateConversation,
    DeleteMessage,
    EditMessage,
    MarkRead,
    RemoveMember,
    SendMessage,
    UpdateConversation,
    WriteCommand,
)
from chat.drafts import ATTACHMENTS_MAX, Drafter
from chat.errors import BadRequest, LimitExceeded, Problem, TooLarge
from chat.models import User
from chat.settings import Settings
from chat.store import Draft

HERE = "main:00000000-0000-7000-8000-000000000001"
ALICE = User("alice")
ASSISTANT = User("helper", frozenset({"assistant"}))
SETTINGS = Settings(content_bytes_max=10, metadata_bytes_max=30, attachments_bytes_max=30, members_max=3)
DEEP: Any = "x"
for _ in range(40):
    DEEP = [DEEP]


def draft(command: WriteCommand, user: User = ALICE) -> Draft:
    return Drafter(SETTINGS).draft(user, command)


def send(**fields: Any) -> SendMessage:
    return SendMessage(**{"conversation_id": HERE, "client_message_id": "k", "content": "hi", **fields})


def edit(**fields: Any) -> EditMessage:
    return EditMessage(**{"conversation_id": HERE, "seq": 1, "content": "hi", **fields})


def create(**fields: Any) -> CreateConversation:
    return CreateConversation(**fields)


def update(**fields: Any) -> UpdateConversation:
    return UpdateConversation(conversation_id=HERE, **fields)


TAKEN: list[WriteCommand] = [
    send(content="x" * 10),
    send(content="\u00e9" * 5),
    send(content="", attachments=[{}]),
    send(client_message_id="x" * 128),
    send(client_message_id="a\x00b"),
    send(metadata={"m": "x" * 22}),
    send(metadata={}),
    send(attachments=[{}] * 9),
    send(attachments=[]),
    edit(content="x" * 10),
    edit(content="", idempotency_key="k"),
    create(),
    create(members=["alice", "bob", "carol", "bob"]),
    create(members=["x" * 250]),
    update(title=None),
    update(metadata=None),
    MarkRead(conversation_id=HERE, seq=0),
    DeleteMessage(conversation_id=HERE, seq=1, idempotency_key="k"),
]

REFUSED: list[tuple[type[Problem], WriteCommand]] = [
    (TooLarge, send(content="x" * 11)),
    (TooLarge, send(content="\u00e9" * 6)),
    (BadRequest, send(content="\ud800")),
    (BadRequest, send(content="")),
    (BadRequest, send(content="", attachments=[])),
    (BadRequest, send(client_message_id="")),
    (BadRequest, send(client_message_id="x" * 129)),
    (BadRequest, send(client_message_id="\u00e9" * 65)),
    (BadRequest, send(client_message_id="\ud800")),
    (BadRequest, send(content_type="text\n")),
    (BadRequest, send(role="system")),
    (TooLarge, send(metadata={"m": "x" * 23})),
    (BadRequest, send(metadata={"m": DEEP})),
    (BadRequest, send(metadata={"m": 2**64})),
    (BadRequest, send(metadata={"m": "\ud800"})),
    (TooLarge, send(attachments=[{"a": "x" * 30}])),
    (LimitExceeded, send(attachments=[{}] * (ATTACHMENTS_MAX + 1))),
    (TooLarge, edit(content="x" * 11)),
    (BadRequest, edit(idempotency_key="")),
    (BadRequest, edit(idempotency_key="x" * 129)),
    (BadRequest, edit(content_type="text\n")),
    (TooLarge, edit(metadata={"m": "x" * 23})),
    (LimitExceeded, edit(attachments=[{}] * (ATTACHMENTS_MAX + 1))),
    (LimitExceeded, create(members=["bob", "carol", "dave"])),
    (BadRequest, create(members=[""])),
    (BadRequest, create(members=["x" * 251])),
    (BadRequest, create(members=["a\x00b"])),
    (BadRequest, create(members=["a\x7f"])),
    (BadRequest, create(members=["\ud800"])),
    (BadRequest, create(kind="group\n")),
    (BadRequest, create(idempotency_key="")),
    (TooLarge, create(metadata={"m": "x" * 23})),
    (BadRequest, update()),
    (BadRequest, update(title="t", idempotency_key="x" * 129)),
    (TooLarge, update(metadata={"m": "x" * 23})),
    (BadRequest, AddMember(conversation_id=HERE, user="")),
    (BadRequest, RemoveMember(conversation_id=HERE, user="a\nb")),
    (BadRequest, DeleteMessage(conversation_id=HERE, seq=1, idempotency_key="")),
]


@pytest.mark.parametrize("command", TAKEN, ids=range(len(TAKEN)))
def test_what_keeps_the_limits_is_taken(command: WriteCommand) -> None:
    taken = draft(command)
    assert (taken.author, taken.command) == ("alice", command)
    assert taken.at_ms > 1_700_000_000_000


@pytest.mark.parametrize(("problem", "command"), REFUSED, ids=range(len(REFUSED)))
def test_what_passes_a_limit_is_refused(problem: type[Problem], command: WriteCommand) -> None:
    with pytest.raises(problem):
        draft(command)


def test_only_an_assistant_sets_a_role() -> None:
    for role in ("assistant", "system", "tool"):
        assert draft(send(role=role), ASSISTANT).author == "helper"
        with pytest.raises(BadRequest, match="assistant"):
            draft(send(role=role))


def test_the_fingerprint_covers_what_was_said_and_nothing_else() -> None:
    said: list[dict[str, Any]] = [
        {},
        {"content": "ho"},
        {"content_type": "markdown"},
        {"reply_to": 1},
        {"reply_to": 2},
        {"attachments": [{"a": 1}]},
        {"metadata": {"a": 1}},
        {"metadata": {}},
        {"content": "markdown", "content_type": "hi"},
    ]
    prints = [draft(send(**fields)).fingerprint for fields in said]
    assert all(one != other for one, other in itertools.combinations(prints, 2))
    unsaid: dict[str, Any]
    for unsaid in (
        {"client_message_id": "other"},
        {"conversation_id": HERE[:-1] + "2"},
        {"reply_to_version": "e.1"},
        {"first_sent_epoch": "e"},
        {"attachments": []},
    ):
        assert draft(send(**unsaid)).fingerprint == prints[0]
    assert draft(send(role="assistant"), ASSISTANT).fingerprint == prints[0]


def test_the_order_of_an_objects_fields_says_nothing() -> None:
    one = send(metadata={"a": 1, "b": {"c": 2, "d": 3}}, attachments=[{"x": 1, "y": 2}])
    other = send(metadata={"b": {"d": 3, "c": 2}, "a": 1}, attachments=[{"y": 2, "x": 1}])
    assert draft(one).fingerprint == draft(other).fingerprint
    assert draft(one).metadata == b'{"a":1,"b":{"c":2,"d":3}}'
    assert draft(one).attachments == b'[{"x":1,"y":2}]'


def test_the_key_of_a_change_stands_for_all_that_is_asked_but_the_version() -> None:
    first = draft(edit(idempotency_key="k", version="e.1")).fingerprint
    assert draft(edit(idempotency_key="other", version="e.2")).fingerprint == first
    for fields in ({"seq": 2}, {"content": "ho"}, {"content_type": "markdown"}, {"metadata": None}):
        assert draft(edit(idempotency_key="k", **fields)).fingerprint != first
    deletion = draft(DeleteMessage(conversation_id=HERE, seq=1, idempotency_key="k"))
    removal = draft(RemoveMember(conversation_id=HERE, user="bob", idempotency_key="k"))
    addition = draft(AddMember(conversation_id=HERE, user="bob", idempotency_key="k"))
    assert len({first, deletion.fingerprint, removal.fingerprint, addition.fingerprint}) == 4


def test_the_key_of_a_creation_stands_for_its_members_whatever_their_order() -> None:
    first = draft(create(members=["bob", "carol"], idempotency_key="k")).fingerprint
    assert draft(create(members=["carol", "bob", "alice"], idempotency_key="k")).fingerprint == first
    assert draft(create(members=["bob"], idempotency_key="k")).fingerprint != first
    assert draft(create(members=["bob", "carol"], title="t", idempotency_key="k")).fingerprint != first


def test_what_is_absent_of_an_edit_stays_and_null_removes() -> None:
    assert draft(edit()).metadata is None
    assert edit().metadata is msgspec.UNSET
    assert (
        draft(edit(metadata=None, idempotency_key="k")).fingerprint
        != draft(edit(idempotency_key="k")).fingerprint
    )
