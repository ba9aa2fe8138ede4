"""An event as a line for people: nothing in it can move the cursor or pose as another line."""

from __future__ import annotations

import re
from datetime import datetime

from msgspec.structs import replace

from ops.tail.wire import Event

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys instead of showing it, and what turns the direction of a line around."""

CONTINUED = "\n    "
NO_TIME = "--:--"
CLOCK = "%H:%M"
DATE_AND_CLOCK = "%Y-%m-%d %H:%M:%S"


def sentence(event: Event) -> str:
    """Return what an event says, without its time."""
    return clean(_SENTENCES.get(event.type, _unknown)(event))


def passing(event: Event) -> str:
    """Return what somebody does just now: typing, reading."""
    if event.type == "typing":
        return clean(f"{event.user} is typing …")
    if event.type == "read":
        return clean(f"{event.user} has read up to #{event.read_seq}")
    return ""


def time_of(event: Event, layout: str) -> str:
    """Return when it happened, in local time; what is no time at all comes out as dashes."""
    happened_ms = event.created_at or event.edited_at or event.deleted_at
    if not happened_ms:
        return NO_TIME
    try:
        return datetime.fromtimestamp(happened_ms / 1000).astimezone().strftime(layout)
    except (OverflowError, OSError, ValueError):
        return NO_TIME


def changed(message: Event, change: Event) -> Event:
    """Return the message as its edit, its deletion or a newer state of itself leaves it."""
    return replace(
        message,
        content=change.content,
        edited_at=change.edited_at,
        deleted_at=change.deleted_at,
        changed_seq=change.version,
    )


def clean(text: str) -> str:
    """Replace what a terminal would obey, and indent what stands on further lines."""
    return CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n")).replace("\n", CONTINUED)


def speaker(event: Event) -> str:
    """Return who says a message, with a role that is not the usual one."""
    return clean(event.sender if event.role in ("", "user") else f"{event.sender} ({event.role})")


def _message(event: Event) -> str:
    if event.deleted_at:
        return f"{speaker(event)}: [deleted]"
    return f"{speaker(event)}: {event.content or ''}{' (edited)' if event.edited_at else ''}"


def _edited(event: Event) -> str:
    return f"{event.actor} edited #{event.message_seq}: {event.content or ''}"


def _deleted(event: Event) -> str:
    return f"{event.actor} deleted #{event.message_seq}"


def _restored(event: Event) -> str:
    return f"{event.actor} brought back #{event.message_seq}: {event.content or ''}"


def _joined(event: Event) -> str:
    return f"{event.user} joined as {event.role}"


def _left(event: Event) -> str:
    return f"{event.user} left" if event.actor in ("", event.user) else f"{event.actor} removed {event.user}"


def _role_changed(event: Event) -> str:
    return f"{event.user} is {event.role} now"


def _updated(event: Event) -> str:
    if event.title:
        return f"{event.actor} called this conversation {event.title}"
    return f"{event.actor} changed this conversation"


def _conversation_deleted(event: Event) -> str:
    return f"{event.actor} deleted this conversation"


def _conversation_restored(event: Event) -> str:
    return f"{event.actor} brought this conversation back"


def _unknown(event: Event) -> str:
    return f"[{event.type}]"


_SENTENCES = {
    "message": _message,
    "message.edited": _edited,
    "message.deleted": _deleted,
    "message.restored": _restored,
    "member.joined": _joined,
    "member.left": _left,
    "member.changed": _role_changed,
    "conversation.updated": _updated,
    "conversation.deleted": _conversation_deleted,
    "conversation.restored": _conversation_restored,
}
