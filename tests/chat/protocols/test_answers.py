from __future__ import annotations

import json

from chat.models import Conversation, Message, Page
from chat.protocols.answers import encode_answer
from chat.store import Created, Sent

CONVERSATION = Conversation(
    conversation_id="main:1",
    kind="group",
    created_at=1,
    updated_at=2,
    first_seq=1,
    last_seq=0,
    changed_seq=0,
    version="e.0",
    epoch="e",
    role="owner",
    read_seq=0,
    unread_count=0,
)


def test_what_says_nothing_is_an_empty_object() -> None:
    assert encode_answer(None) == b"{}"


def test_a_created_conversation_is_flat() -> None:
    for duplicate in (False, True):
        created = json.loads(encode_answer(Created(conversation=CONVERSATION, duplicate=duplicate)))
        assert created == {**json.loads(encode_answer(CONVERSATION)), "duplicate": duplicate}
        assert created["conversation_id"] == "main:1"
        assert "title" not in created


def test_an_ack_says_where_the_message_stands() -> None:
    sent = Sent(conversation_id="main:1", seq=7, epoch="e", version="e.7", created_at=1, duplicate=False)
    assert json.loads(encode_answer(sent)) == {
        "conversation_id": "main:1",
        "seq": 7,
        "epoch": "e",
        "version": "e.7",
        "created_at": 1,
        "duplicate": False,
        "durability": "committed",
    }


def test_a_page_tells_its_end_from_a_next_one() -> None:
    message = Message(
        conversation_id="main:1",
        seq=7,
        epoch="e",
        sender="alice",
        client_message_id="k",
        role="user",
        content_type="text",
        content="hi",
        created_at=1,
        changed_seq=7,
    )
    page = json.loads(encode_answer(Page(items=[message], next=None, previous=None, epoch="e", offset=7)))
    assert (page["next"], page["previous"]) == (None, None)
    assert page["items"][0]["type"] == "message"
    assert "edited_at" not in page["items"][0]
