"""What the server says: replies and pushes of the Centrifuge protocol in JSON, and the events in them."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from chat.models import RowId

Command = dict[str, object]
"""One command of the client, ready to be written as JSON."""


class Failure(msgspec.Struct, frozen=True):
    """An error reply. `temporary` says that trying again may help."""

    code: int = 0
    message: str = ""
    temporary: bool = False


class Publication(msgspec.Struct, frozen=True):
    """One event on its way; what is ephemeral has offset 0."""

    data: Raw
    offset: int = 0


class Standing(msgspec.Struct, frozen=True):
    """The `data` of a subscribe result: the current epoch, and the top row with the epoch that wrote it."""

    epoch: str = ""
    top: RowId = RowId(0, "")


class Subscribed(msgspec.Struct, frozen=True):
    """How a subscription begins: recovered with what was missed, or at the top with nothing."""

    epoch: str = ""
    offset: int = 0
    recovered: bool = False
    publications: list[Publication] = []
    data: Standing = Standing()


class Connected(msgspec.Struct, frozen=True):
    """How a connection begins; a ping comes every `ping` seconds, 0 for never."""

    ping: int = 0


class Called(msgspec.Struct, frozen=True):
    """The result of an rpc."""

    data: Raw = Raw(b"{}")


class Parting(msgspec.Struct, frozen=True):
    """The end of a subscription or of a connection, as a push."""

    code: int = 0
    reason: str = ""


class Push(msgspec.Struct, frozen=True):
    """What the server says unasked."""

    channel: str = ""
    pub: Publication | None = None
    unsubscribe: Parting | None = None
    disconnect: Parting | None = None


class Reply(msgspec.Struct, frozen=True):
    """One message of the server: the answer to command `id`, a push, or, with neither, a ping."""

    id: int = 0
    error: Failure | None = None
    push: Push | None = None
    connect: Connected | None = None
    subscribe: Subscribed | None = None
    rpc: Called | None = None

    @property
    def is_ping(self) -> bool:
        """Tell whether this asks for a pong."""
        return self.id == 0 and self.push is None


class Page(msgspec.Struct, frozen=True):
    """A run of messages, ascending, and the epoch that was current when they were read."""

    epoch: str
    items: list[Raw]


class Ack(msgspec.Struct, frozen=True):
    """The answer to a send; `epoch` is the current one, which wrote the row unless it is a duplicate."""

    seq: int
    epoch: str
    duplicate: bool = False


class Name(msgspec.Struct, frozen=True):
    """How a conversation is called, if it has a title, and of what kind it is."""

    kind: str
    title: str | None = None


class Event(msgspec.Struct, frozen=True):
    """An event or a message, as far as it is shown; `raw` is the JSON as it came."""

    type: str
    conversation_id: str = ""
    seq: int = 0
    message_seq: int = 0
    changed_seq: int = 0
    epoch: str = ""
    sender: str = ""
    client_message_id: str = ""
    actor: str = ""
    user: str = ""
    role: str = ""
    content: str | None = None
    title: str | None = None
    created_at: int = 0
    edited_at: int | None = None
    deleted_at: int | None = None
    read_seq: int = 0
    raw: bytes = b""

    @property
    def row(self) -> RowId:
        """Name the newest row that this shows: that of its last change, or its own."""
        return RowId(max(self.seq, self.changed_seq), self.epoch)

    @property
    def about(self) -> int:
        """Name the message that this shows or changes."""
        return self.message_seq or self.seq

    @property
    def version(self) -> int:
        """Return the seq of the newest change that this shows."""
        return self.changed_seq or self.seq


_REPLIES = msgspec.json.Decoder(Reply)
_EVENTS = msgspec.json.Decoder(Event)


def decode_frame(frame: str | bytes) -> list[Reply]:
    """Read one frame: JSON messages joined by line feeds. Raises msgspec.DecodeError where it is none."""
    lines = frame.encode() if isinstance(frame, str) else frame
    return [_REPLIES.decode(line) for line in lines.split(b"\n") if line.strip()]


def decode_event(data: Raw) -> Event:
    """Read an event and keep its JSON beside it. Raises msgspec.DecodeError where it is none."""
    return msgspec.structs.replace(_EVENTS.decode(data), raw=bytes(data))
