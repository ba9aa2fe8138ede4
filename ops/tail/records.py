"""What is kept on disk: the place in the conversation, the lines not acked yet, and whose they are."""

from __future__ import annotations

import msgspec

from chat.models import RowId

NOTHING_SEEN = RowId(0, "")


class Owner(msgspec.Struct, frozen=True, tag_field="record", tag="owner"):
    """Whose state this is; that of another user or conversation is never mixed with it."""

    user: str
    conversation: str


class Bookmark(msgspec.Struct, frozen=True, tag_field="record", tag="bookmark"):
    """Where the reader is: the subscription's position, and the highest row behind anything shown or hidden.

    `reload_due` says that what was shown may not be continued from: nothing of it counts until a reload
    is done.
    """

    epoch: str = ""
    offset: int = 0
    seen: RowId = NOTHING_SEEN
    reload_due: bool = True


class Draft(msgspec.Struct, frozen=True, tag_field="record", tag="draft"):
    """A line that was typed and not acked yet; `first_sent_epoch` is empty until it is first sent."""

    client_message_id: str
    content: str
    first_sent_epoch: str = ""


class Settled(msgspec.Struct, frozen=True, tag_field="record", tag="settled"):
    """A draft is acked or refused for good: it leaves the outbox."""

    client_message_id: str


class Rejected(msgspec.Struct, frozen=True):
    """A draft that the server will never take, and why."""

    client_message_id: str
    content: str
    code: int
    reason: str


Record = Owner | Bookmark | Draft | Settled
