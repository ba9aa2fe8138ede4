"""What the store tells, and what the plain model expects it to tell, in one comparable form without times."""

from __future__ import annotations

from typing import Any

import msgspec

from chat.models import AnyEvent
from tests.model.plain import Said, Talk

Told = dict[str, Any]
EDITED, DELETED = "edited_at", "deleted_at"
TIMES = ("created_at", EDITED, DELETED)


def told(event: AnyEvent) -> Told:
    """Take the times out of what the store tells of an event or message, and keep whether they were there."""
    fields: Told = msgspec.json.decode(msgspec.json.encode(event))
    times = {name for name in TIMES if fields.pop(name, None) is not None}
    if fields["type"].startswith("message"):
        fields |= {"is_edited": EDITED in times, "is_deleted": DELETED in times}
    return fields


def expected_message(talk: Talk, seq: int) -> Told:
    """Tell of a message as it is today."""
    said = talk.messages[seq]
    fields = {
        "type": "message",
        "conversation_id": talk.id,
        "seq": seq,
        "sender": said.sender,
        "client_message_id": said.key,
        "role": "user",
        "reply_to": said.reply_to,
    }
    return _without_nothing(fields) | _state(talk, said)


def expected_event(talk: Talk, seq: int) -> Told:
    """Tell of what took `seq`: messages and edits show what stands today."""
    row = talk.rows[seq - 1]
    fields: Told = {"type": row.kind, "conversation_id": talk.id, "seq": seq, "actor": row.actor}
    if row.kind == "message":
        return expected_message(talk, seq)
    if row.kind in ("message.edited", "message.restored"):
        assert row.message_seq is not None
        return fields | {"message_seq": row.message_seq} | _state(talk, talk.messages[row.message_seq])
    fields["epoch"] = row.epoch
    if row.kind == "message.deleted":
        mark = {"message_seq": row.message_seq, "changed_seq": seq, "is_edited": False, "is_deleted": True}
        return fields | mark
    role = {"role": "member"} if row.kind == "member.joined" else {}
    return fields | role | {"user": row.person}


def today(talk: Talk) -> dict[int, Told]:
    """Tell of all messages as they are today."""
    return {seq: expected_message(talk, seq) for seq in talk.messages}


def _state(talk: Talk, said: Said) -> Told:
    return _without_nothing({"content": said.content}) | {
        "content_type": "text",
        "changed_seq": said.changed_seq,
        "epoch": talk.rows[said.changed_seq - 1].epoch,
        "is_edited": said.is_edited,
        "is_deleted": said.is_deleted,
    }


def _without_nothing(fields: Told) -> Told:
    return {name: value for name, value in fields.items() if value is not None}
