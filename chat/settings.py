"""Every knob of Palaver: its name, default, unit and help; read once from the environment as PALAVER_<NAME>."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import msgspec

from chat.knob import FILE_BYTES_MAX, knob
from chat.settings_replication import ReplicationSettings

PREFIX = "PALAVER_"

Text = str
Flag = bool


class BadSetting(Exception):
    """A setting in the environment cannot be used; the message says which, why, and what to write."""


class Settings(ReplicationSettings, frozen=True, kw_only=True):
    """The settings of one process. Every field is a knob; its annotation carries unit and help."""

    # Where it stands
    data: Annotated[str, knob("folder", "Where the databases, the secret and the locks are.")] = "./data"
    host: Annotated[str, knob("address", "The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, knob("port", "The TCP port to listen on; 0 takes a free one.", minimum=0)] = 8000
    allowed_origins: Annotated[
        str,
        knob(
            "list",
            "Origins whose pages may connect, separated by commas, as scheme://host:port; `*` for all. "
            "The server's own origin is always allowed.",
        ),
    ] = ""
    trusted_proxies: Annotated[
        str,
        knob(
            "list", "Addresses or networks of proxies whose X-Forwarded-For is believed, separated by commas."
        ),
    ] = ""

    # Storage
    synchronous: Annotated[
        Literal["full", "normal"],
        knob("choice", "full: an ack survives a power cut. normal: faster, and it may not."),
    ] = "full"
    readers: Annotated[
        int, knob("connections", "Reading connections per database file.", minimum=1, maximum=64)
    ] = 4
    busy_timeout_ms: Annotated[
        int, knob("ms", "How long SQLite waits for another process's lock.", minimum=0)
    ] = 5000
    cache_size_kib: Annotated[int, knob("KiB", "SQLite's page cache per connection.", minimum=64)] = 8192
    journal_size_limit_bytes: Annotated[
        int,
        knob(
            "bytes",
            "The size that a WAL file shrinks to when it starts anew.",
            minimum=0,
            maximum=FILE_BYTES_MAX,
        ),
    ] = 64 * 1024 * 1024
    wal_autocheckpoint_pages: Annotated[
        int,
        knob(
            "pages",
            "The WAL is copied back when it has this many pages; with replication, Litestream decides when.",
            minimum=0,
        ),
    ] = 10_000
    read_timeout_s: Annotated[
        float,
        knob(
            "s",
            "A read transaction older than this is ended: one forgotten reader stops every checkpoint.",
            minimum=0.1,
        ),
    ] = 10.0
    reader_wait_s: Annotated[
        float,
        knob("s", "How long a read waits for a free reading connection before it is refused.", minimum=0.1),
    ] = 5.0
    slow_query_ms: Annotated[
        int, knob("ms", "Statements slower than this are logged; 0 logs none.", minimum=0)
    ] = 200

    # The writer
    write_queue_max: Annotated[
        int, knob("drafts", "Drafts that may wait; beyond, senders get error 111.", minimum=1)
    ] = 10_000
    write_batch_max: Annotated[int, knob("drafts", "Drafts in one transaction at the most.", minimum=1)] = 512
    write_retry_s: Annotated[
        float,
        knob("s", "The pause between two tries to open a database that refused to write.", minimum=0.01),
    ] = 1.0

    # Who may
    jwt_secret: Annotated[
        str,
        knob(
            "text",
            "The secret of HS256 tokens; empty: the file `secret` in the data folder, made at first start.",
            secret=True,
        ),
    ] = ""
    jwt_algorithms: Annotated[str, knob("list", "Which signatures are accepted: HS256, RS256, ES256.")] = (
        "HS256"
    )
    jwt_public_key_file: Annotated[
        str, knob("file", "A PEM file with the public key of RS256 or ES256 tokens.")
    ] = ""
    jwt_jwks_url: Annotated[
        str, knob("URL", "Where the public keys of RS256 and ES256 tokens are published.")
    ] = ""
    jwt_audience: Annotated[str, knob("text", "The `aud` that a token must have; empty: not asked for.")] = ""
    jwt_issuer: Annotated[str, knob("text", "The `iss` that a token must have; empty: not asked for.")] = ""
    jwt_leeway_s: Annotated[
        int, knob("s", "How far the clocks of issuer and server may differ.", minimum=0)
    ] = 5
    token_bytes_max: Annotated[int, knob("bytes", "The longest token that is looked at.", minimum=256)] = 8192
    command_rate_per_s: Annotated[
        float, knob("commands/s", "Commands that one user may send, over all his doors.", minimum=0.1)
    ] = 200.0
    command_burst: Annotated[int, knob("commands", "Commands that one user may send at once.", minimum=1)] = (
        1000
    )
    login_rate_per_s: Annotated[
        float,
        knob("tries/s", "Refused tokens that one address may present before it is turned away.", minimum=0.1),
    ] = 10.0
    login_burst: Annotated[
        int, knob("tries", "Refused tokens that one address may present at once.", minimum=1)
    ] = 100

    # What is too large
    content_bytes_max: Annotated[
        int, knob("bytes", "The longest content of a message, in UTF-8.", minimum=1)
    ] = 48 * 1024
    metadata_bytes_max: Annotated[int, knob("bytes", "The largest metadata, as JSON.", minimum=2)] = 8 * 1024
    attachments_bytes_max: Annotated[
        int, knob("bytes", "The largest list of attachments, as JSON.", minimum=2)
    ] = 8 * 1024
    body_bytes_max: Annotated[int, knob("bytes", "The largest body of a REST request.", minimum=1024)] = (
        256 * 1024
    )
    members_max: Annotated[int, knob("members", "Members of one conversation.", minimum=2)] = 1000
    page_default: Annotated[
        int, knob("messages", "Messages in a page when no limit is asked for.", minimum=1)
    ] = 50
    page_max: Annotated[
        int, knob("messages", "Messages in a page at the most; more asked for is cut to this.", minimum=1)
    ] = 200
    listing_default: Annotated[
        int, knob("rows", "Conversations or members in a page when no limit is asked for.", minimum=1)
    ] = 20
    listing_max: Annotated[
        int, knob("rows", "Conversations or members in a page at the most.", minimum=1)
    ] = 100
    unread_count_max: Annotated[
        int, knob("messages", "Where the count of unread messages stops.", minimum=1)
    ] = 1000

    # The socket
    frame_in_bytes_max: Annotated[
        int, knob("bytes", "The largest frame that a client may send.", minimum=1024)
    ] = 64 * 1024
    frame_out_bytes_max: Annotated[
        int, knob("bytes", "A gathered frame to a client ends here.", minimum=1024)
    ] = 64 * 1024
    outbox_bytes_max: Annotated[
        int,
        knob("bytes", "What may wait for one client; beyond, it is disconnected as slow.", minimum=64 * 1024),
    ] = 1024 * 1024
    slow_close_s: Annotated[
        float, knob("s", "How long the close of a slow client is tried before its socket is cut.", minimum=0)
    ] = 1.0
    send_buffer_bytes: Annotated[
        int, knob("bytes", "The kernel's send buffer of one socket; 0 leaves it alone.", minimum=0)
    ] = 64 * 1024
    connections_max: Annotated[int, knob("connections", "Sockets that one process serves.", minimum=1)] = (
        10_000
    )
    connections_per_user_max: Annotated[int, knob("connections", "Sockets of one user.", minimum=1)] = 100
    channels_max: Annotated[int, knob("channels", "Subscriptions of one connection.", minimum=1)] = 128
    pipeline_max: Annotated[
        int,
        knob(
            "commands",
            "Commands of one connection whose answer is outstanding; beyond, its reading pauses.",
            minimum=1,
        ),
    ] = 1024
    connect_timeout_s: Annotated[
        float, knob("s", "How long a socket may stay without a connect command.", minimum=0.1)
    ] = 15.0
    ping_interval_s: Annotated[float, knob("s", "The time between two pings.", minimum=0.1)] = 25.0
    pong_timeout_s: Annotated[float, knob("s", "How long a pong is waited for.", minimum=0.1)] = 8.0
    expired_grace_s: Annotated[
        float, knob("s", "How long an expired connection may still refresh its token.", minimum=0)
    ] = 25.0
    position_check_s: Annotated[
        float,
        knob("s", "How often the positions of subscriptions are held against the database.", minimum=0.1),
    ] = 40.0
    recover_events_max: Annotated[
        int, knob("events", "Events that a recovery sends at the most.", minimum=1)
    ] = 500
    recover_bytes_max: Annotated[
        int, knob("bytes", "Bytes that a recovery or a page has at the most.", minimum=1024)
    ] = 512 * 1024
    typing_interval_s: Annotated[
        float, knob("s", "Typing of one user in one conversation is passed on this often.", minimum=0)
    ] = 1.0
    compress: Annotated[bool, knob("yes/no", "Offer permessage-deflate: less traffic, twice the memory.")] = (
        False
    )

    # The process
    shutdown_spread_s: Annotated[
        float, knob("s", "Over which time the sockets are told to reconnect at shutdown.", minimum=0)
    ] = 2.0
    header_timeout_s: Annotated[float, knob("s", "How long a request's head may take.", minimum=0.1)] = 5.0
    idle_timeout_s: Annotated[float, knob("s", "How long a silent HTTP connection is kept.", minimum=0.1)] = (
        15.0
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], knob("choice", "What is logged.")] = (
        "info"
    )
    log_format: Annotated[
        Literal["auto", "json", "console"], knob("choice", "auto: console on a terminal, JSON elsewhere.")
    ] = "auto"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read PALAVER_… variables; raises BadSetting with the variable's name, the reason and the default."""
        given = os.environ if environment is None else environment
        values: dict[str, object] = {}
        for name, hint in knobs().items():
            variable = PREFIX + name.upper()
            if variable in given:
                values[name] = _parse(variable, given[variable], hint)
        _refuse_unknown(given)
        return cls(**values)  # type: ignore[arg-type]


def knobs() -> dict[str, object]:
    """Return each setting's name with its annotated type, in the order of the reference."""
    hints = get_type_hints(Settings, include_extras=True)
    own = vars(Settings)["__annotations__"]
    return {name: hints[name] for name in (*own, *(name for name in hints if name not in own))}


def described(hint: object) -> tuple[object, msgspec.Meta]:
    """Split an annotated type into the plain type and the Meta with unit and help."""
    assert get_origin(hint) is Annotated
    plain, meta = get_args(hint)
    assert isinstance(meta, msgspec.Meta)
    return plain, meta


def written(value: object) -> str:
    """Return a setting's value as it stands in the environment."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _parse(variable: str, text: str, hint: object) -> object:
    try:
        return msgspec.convert(_flag(text) if described(hint)[0] is bool else text, hint, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        default = getattr(Settings(), variable.removeprefix(PREFIX).lower())
        raise BadSetting(
            f"{variable}={text!r} cannot be used: {error}. Unset it for the default, {written(default)}."
        ) from error


def _flag(text: str) -> bool:
    words = {
        "yes": True,
        "true": True,
        "1": True,
        "on": True,
        "no": False,
        "false": False,
        "0": False,
        "off": False,
    }
    if text.lower() not in words:
        raise ValueError("write yes or no")
    return words[text.lower()]


def _refuse_unknown(given: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in knobs()} | {"PALAVER_TOKEN"}
    unknown = sorted(name for name in given if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise BadSetting(
            f"{', '.join(unknown)}: no such setting; docs/reference/settings.md lists those there are."
        )
