"""What the server says in the Centrifuge protocol: results and parts of pushes; zero values are left out."""

from __future__ import annotations

import msgspec
from msgspec import Raw


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The result of a command. `ttl`, `ping` and `pong` are seconds; `data` is JSON as bytes."""


class ClientInfo(Result, frozen=True, kw_only=True, omit_defaults=True):
    """One connection of a user, as others see it."""

    user: str = ""
    client: str = ""
    conn_info: Raw | None = None
    chan_info: Raw | None = None


class Publication(Result, frozen=True, kw_only=True, omit_defaults=True):
    """An event in a list. What is ephemeral has no offset and stands in no list."""

    data: Raw
    info: ClientInfo | None = None
    offset: int = 0


class SubscribeResult(Result, frozen=True, kw_only=True, omit_defaults=True):
    """How a subscription begins."""

    expires: bool = False
    ttl: int = 0
    recoverable: bool = False
    epoch: str = ""
    publications: list[Publication] = []
    recovered: bool = False
    offset: int = 0
    positioned: bool = False
    data: Raw | None = None
    was_recovering: bool = False


class ConnectResult(Result, frozen=True, kw_only=True, omit_defaults=True):
    """How a connection begins. `time` is the server's, in milliseconds."""

    client: str
    version: str
    expires: bool = False
    ttl: int = 0
    data: Raw | None = None
    subs: dict[str, SubscribeResult] = {}
    ping: int = 0
    pong: bool = False
    session: str = ""
    node: str = ""
    time: int = 0


class PresenceResult(Result, frozen=True, kw_only=True, omit_defaults=True):
    """Who listens, by connection."""

    presence: dict[str, ClientInfo] = {}


class PresenceStatsResult(Result, frozen=True, kw_only=True, omit_defaults=True):
    """How many listen."""

    num_clients: int = 0
    num_users: int = 0


class HistoryResult(Result, frozen=True, kw_only=True, omit_defaults=True):
    """A run of publications, and where the channel stands."""

    publications: list[Publication] = []
    epoch: str = ""
    offset: int = 0


class RefreshResult(Result, frozen=True, kw_only=True, omit_defaults=True):
    """What a newer token of the connection gave."""

    client: str
    version: str
    expires: bool = False
    ttl: int = 0


class SubRefreshResult(Result, frozen=True, kw_only=True, omit_defaults=True):
    """What a newer token of a subscription gave."""

    expires: bool = False
    ttl: int = 0
