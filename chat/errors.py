"""The catalogue of refusals: every error and every way a connection or subscription ends, once, for all doors."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Problem(Exception):
    """A refusal that a client is told, the same over every door.

    `number` is the error code on the socket and `code` in REST's problem document; `status` is the HTTP status;
    `temporary` says that the same request may succeed later. A subclass's docstring is its default message.
    """

    number: ClassVar[int]
    name: ClassVar[str]
    status: ClassVar[int]
    temporary: ClassVar[bool] = False

    def __init__(self, detail: str | None = None, *, retry_after_s: float | None = None) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.retry_after_s = retry_after_s
        super().__init__(self.detail)


class Internal(Problem):
    """Something broke on the server. Try again, under the same key."""

    number, name, status, temporary = 100, "internal", 500, True


class Unauthorized(Problem):
    """A valid token is needed: send it as a bearer token, or in the connect command."""

    number, name, status = 101, "unauthorized", 401


class Unknown(Problem):
    """There is no such conversation, message or member for you."""

    number, name, status = 102, "unknown", 404


class PermissionDenied(Problem):
    """You may see this, but not do that."""

    number, name, status = 103, "permission_denied", 403


class MethodNotFound(Problem):
    """There is no such method; the reference lists them."""

    number, name, status = 104, "method_not_found", 405


class AlreadySubscribed(Problem):
    """This connection is already subscribed to that channel."""

    number, name, status = 105, "already_subscribed", 409


class LimitExceeded(Problem):
    """A limit of the connection is reached; the reference of settings lists them."""

    number, name, status = 106, "limit_exceeded", 400


class BadRequest(Problem):
    """The request is not well formed."""

    number, name, status = 107, "bad_request", 400


class NotAvailable(Problem):
    """This server does not offer that."""

    number, name, status = 108, "not_available", 501


class TokenExpired(Problem):
    """The token has expired; get a new one."""

    number, name, status = 109, "token_expired", 401


class TooManyRequests(Problem):
    """Too many commands; slow down and try again."""

    number, name, status, temporary = 111, "too_many_requests", 429, True


class UnrecoverablePosition(Problem):
    """That position or version is not part of today's history; reload the conversation."""

    number, name, status = 112, "unrecoverable_position", 410


class KeyReused(Problem):
    """This key was used before with another content; use a new key for a new message."""

    number, name, status = 409, "key_reused", 409


class ReplayRefused(Problem):
    """The history was rewound on purpose; what was first sent before that is not taken again."""

    number, name, status = 410, "replay_refused", 410


class VersionMismatch(Problem):
    """It has changed since the version that you name; read it again."""

    number, name, status = 412, "version_mismatch", 412


class TooLarge(Problem):
    """That is larger than allowed."""

    number, name, status = 413, "too_large", 413


class UnsupportedMediaType(Problem):
    """Send the body as application/json."""

    number, name, status = 415, "unsupported_media_type", 415


class UpgradeRequired(Problem):
    """This is the address of the socket: open it as a WebSocket (ws:// or wss://), with an SDK of Centrifuge."""

    number, name, status = 426, "upgrade_required", 426


class Unavailable(Problem):
    """Writing is off just now (a full disk, a read-only or damaged file). Send it again under the same key."""

    number, name, status, temporary = 503, "unavailable", 503, True


class NotFound(Problem):
    """There is nothing at this address; /docs lists what there is."""

    number, name, status = 404, "not_found", 404


CATALOGUE: tuple[type[Problem], ...] = tuple(
    sorted(Problem.__subclasses__(), key=lambda problem: problem.number)
)


class Disconnect(msgspec.Struct, frozen=True):
    """How the server closes a connection. Codes 3000–3499 and 4000–4499 reconnect; the others are final."""

    code: int
    reason: str

    @property
    def reconnect(self) -> bool:
        """Tell whether a client is expected to come back."""
        return 3000 <= self.code <= 3499 or 4000 <= self.code <= 4499


SHUTDOWN = Disconnect(3001, "shutdown")
SERVER_ERROR = Disconnect(3004, "internal server error")
EXPIRED = Disconnect(3005, "connection expired")
SLOW = Disconnect(3008, "slow")
INSUFFICIENT = Disconnect(3010, "insufficient state")
NO_PONG = Disconnect(3012, "no pong")
TOO_MANY_REQUESTS = Disconnect(3013, "too many requests")
INVALID_TOKEN = Disconnect(3500, "invalid token")
BAD_REQUEST = Disconnect(3501, "bad request")
STALE = Disconnect(3502, "stale")
CONNECTION_LIMIT = Disconnect(3504, "connection limit")
INAPPROPRIATE_PROTOCOL = Disconnect(3506, "inappropriate protocol")

DISCONNECTS: tuple[Disconnect, ...] = (
    SHUTDOWN,
    SERVER_ERROR,
    EXPIRED,
    SLOW,
    INSUFFICIENT,
    NO_PONG,
    TOO_MANY_REQUESTS,
    INVALID_TOKEN,
    BAD_REQUEST,
    STALE,
    CONNECTION_LIMIT,
    INAPPROPRIATE_PROTOCOL,
)


class Unsubscribe(msgspec.Struct, frozen=True):
    """How the server ends a subscription. Codes from 2500 on ask the client to subscribe again."""

    code: int
    reason: str


UNSUBSCRIBED = Unsubscribe(2000, "no longer a member")
INSUFFICIENT_STATE = Unsubscribe(2500, "insufficient state")
SUBSCRIPTION_EXPIRED = Unsubscribe(2501, "subscription expired")

UNSUBSCRIBES: tuple[Unsubscribe, ...] = (UNSUBSCRIBED, INSUFFICIENT_STATE, SUBSCRIPTION_EXPIRED)
