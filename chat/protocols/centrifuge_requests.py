"""What a client may say in the Centrifuge protocol: one struct per command, as the wire names its fields."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from msgspec import Raw

from chat.commands import Offset
from chat.errors import Problem
from chat.models import SEQ_MAX

CHANNEL_BYTES_MAX = 255
COMMAND_ID_MAX = 2**32 - 1
UINT_MAX = 2**31 - 1
REJECT_UNRECOVERED = 2
"""The bit of `subscribe.flag` that asks for error 112 instead of `recovered: false`."""

CommandId = Annotated[int, msgspec.Meta(ge=0, le=COMMAND_ID_MAX)]
Number = Annotated[int, msgspec.Meta(ge=0, le=UINT_MAX)]
Count = Annotated[int, msgspec.Meta(ge=-1, le=SEQ_MAX)]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What a command says. `kind` names it on the wire, and names its result too.

    `data` is the client's JSON as it came, and empty where there was none.
    """

    kind: ClassVar[str]

    def __repr__(self) -> str:
        # Tokens and texts must not reach a log by way of a repr.
        return f"{type(self).__name__}(…)"


class InChannel(Body, frozen=True, kw_only=True):
    """A command about one channel, of 1 to CHANNEL_BYTES_MAX bytes of UTF-8."""

    channel: str

    def __post_init__(self) -> None:
        _check_channel(self.channel)


class Wish(Body, frozen=True, kw_only=True):
    """How a subscription is wanted, and where it goes on from if `recover`."""

    token: str = ""
    recover: bool = False
    epoch: str = ""
    offset: Offset = 0
    data: Raw = Raw()
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    flag: Number = 0
    type: Number = 0

    @property
    def rejects_unrecovered(self) -> bool:
        """Tell whether the client wants error 112 where it cannot recover."""
        return bool(self.flag & REJECT_UNRECOVERED)


class Connect(Body, frozen=True, kw_only=True):
    """The first command. `subs` are server-side subscriptions that the client wants to go on with."""

    kind = "connect"
    token: str = ""
    data: Raw = Raw()
    subs: dict[str, Wish] = {}
    name: str = ""
    version: str = ""
    headers: dict[str, str] = {}


class Subscribe(Wish, frozen=True, kw_only=True):
    """Begin to listen to a channel, of 1 to CHANNEL_BYTES_MAX bytes of UTF-8."""

    kind = "subscribe"
    channel: str

    def __post_init__(self) -> None:
        _check_channel(self.channel)


class Unsubscribe(InChannel, frozen=True, kw_only=True):
    """Stop listening to a channel."""

    kind = "unsubscribe"


class Publish(InChannel, frozen=True, kw_only=True):
    """Say something without a key; not offered, since it could not be retried."""

    kind = "publish"
    data: Raw = Raw()


class Presence(InChannel, frozen=True, kw_only=True):
    """Ask which connections listen to a channel."""

    kind = "presence"


class PresenceStats(InChannel, frozen=True, kw_only=True):
    """Ask how many connections and users listen to a channel."""

    kind = "presence_stats"


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """A position that history is read after."""

    offset: Offset = 0
    epoch: str = ""


class History(InChannel, frozen=True, kw_only=True):
    """Read publications. `limit` 0 asks for the position alone, -1 for as many as the server gives."""

    kind = "history"
    limit: Count = 0
    since: Since | None = None
    reverse: bool = False


class Ping(Body, frozen=True, kw_only=True):
    """Ask for an answer that says nothing."""

    kind = "ping"


class Send(Body, frozen=True, kw_only=True):
    """Say something that has no answer; the only command that needs no id."""

    kind = "send"
    data: Raw = Raw()


class Rpc(Body, frozen=True, kw_only=True, gc=False):
    """Call a method."""

    kind = "rpc"
    method: str = ""
    data: Raw = Raw()


class Refresh(Body, frozen=True, kw_only=True):
    """Present a newer token for the connection."""

    kind = "refresh"
    token: str = ""


class SubRefresh(InChannel, frozen=True, kw_only=True):
    """Present a newer token for a subscription."""

    kind = "sub_refresh"
    token: str = ""


class Pong(Body, frozen=True, kw_only=True):
    """The answer to the server's ping: an empty object, without an id."""

    kind = "pong"


class Invalid(Body, frozen=True, kw_only=True):
    """A command whose id could be read and whose body could not: answer `problem`, and go on."""

    kind = "invalid"
    problem: Problem


PONG = Pong()


class Request(msgspec.Struct, frozen=True):
    """One command. `id` is the client's, 1 to COMMAND_ID_MAX; 0 for a pong and for a `send` without one."""

    id: int
    body: Body


class Envelope(msgspec.Struct, frozen=True):
    """One command as it stands on the wire: an id and exactly one of the bodies."""

    id: CommandId = 0
    connect: Connect | None = None
    subscribe: Subscribe | None = None
    unsubscribe: Unsubscribe | None = None
    publish: Publish | None = None
    presence: Presence | None = None
    presence_stats: PresenceStats | None = None
    history: History | None = None
    ping: Ping | None = None
    send: Send | None = None
    rpc: Rpc | None = None
    refresh: Refresh | None = None
    sub_refresh: SubRefresh | None = None


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The command that there is most of, and nothing else: what is not it has to be read as an Envelope."""

    id: Annotated[int, msgspec.Meta(ge=1, le=COMMAND_ID_MAX)]
    rpc: Rpc


KINDS = Envelope.__struct_fields__[1:]
"""The names of all bodies."""


def _check_channel(channel: str) -> None:
    if not 1 <= len(channel.encode()) <= CHANNEL_BYTES_MAX:
        raise ValueError(f"Expected a channel of 1 to {CHANNEL_BYTES_MAX} bytes")
