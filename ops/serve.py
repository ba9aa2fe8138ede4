"""`palaver serve`: starts the server, and tells a newcomer what to open and what to paste."""

from __future__ import annotations

import gc
import logging
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from chat.auth import load_secret, mint
from chat.settings import BadSetting, Settings
from ops.litestream_target import target_of
from ops.logs import configure
from ops.restore_start import fetch_missing
from ops.restoring.refusal import Refused
from ops.server import serve as run
from ops.server_options import ServerOptions

COLLECT_AFTER = (20_000, 20, 50)  # new objects, and how many collections of the younger make one of the older
DEMO_TTL_S = 24 * 3600
DEMO_USERS = ("alice", "bob")

logger = logging.getLogger("palaver.serve")


def serve(
    restore_if_missing: Annotated[
        bool,
        typer.Option("--restore-if-missing", help="Fetch the newest copies of databases that are not there."),
    ] = False,
    start_empty: Annotated[
        bool,
        typer.Option("--start-empty", help="Begin anew even where copies of what was there may exist."),
    ] = False,
) -> None:
    """Serve until Ctrl-C or SIGTERM. PALAVER_… variables set everything; docs/reference/settings.md lists them."""
    import asgi

    settings = Settings.from_environment()
    configure(settings)
    try:
        if restore_if_missing:
            fetch_missing(settings, start_empty=start_empty)
        app = asgi.build(settings, start_empty=start_empty)
    except Refused as error:
        print(f"palaver serve: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    except BadSetting as error:
        print(f"palaver serve: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    raise typer.Exit(run(app, options(settings), lambda address: _settle(settings, address)))


def options(settings: Settings) -> ServerOptions:
    """Write the settings down as the server wants them."""
    return ServerOptions(
        host=settings.host,
        port=settings.port,
        trusted_proxies=tuple(
            entry.strip() for entry in settings.trusted_proxies.split(",") if entry.strip()
        ),
        idle_timeout_s=settings.idle_timeout_s,
        header_timeout_s=settings.header_timeout_s,
        message_bytes_max=settings.frame_in_bytes_max,
        send_buffer_bytes=settings.send_buffer_bytes,
        compress=settings.compress,
        drain_timeout_s=settings.shutdown_spread_s + settings.slow_close_s + 1.0,
    )


def _settle(settings: Settings, address: tuple[str, int]) -> None:
    """Greet, and spare the collector what stays for ever: it would walk all of it again and again under load."""
    _greet(settings, address)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _greet(settings: Settings, address: tuple[str, int]) -> None:
    """Print the address, a demo token and lines to paste; a server with keys of its own has no token to give."""
    host, port = address
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"Palaver serves {base} from {Path(settings.data).resolve()}", flush=True)
    print(_replication(settings), flush=True)
    if "HS256" not in settings.jwt_algorithms:
        return
    secret = load_secret(settings)
    tokens = [
        mint(secret, user, DEMO_TTL_S, audience=settings.jwt_audience, issuer=settings.jwt_issuer)
        for user in DEMO_USERS
    ]
    print(_lines(base, f"{_folder(settings)}{_command()} token", _command(), *tokens), flush=True)


def _replication(settings: Settings) -> str:
    if not settings.replicates:
        return "Nothing is replicated (PALAVER_REPLICA=off): what this disk loses is lost."
    place = target_of(settings).shown
    alongside = settings.replicate == "alongside"
    return f"Every commit is copied to {place}" + (
        " by palaver replicate, once that runs" if alongside else ""
    )


def _folder(settings: Settings) -> str:
    return "" if settings.data == Settings().data else f"PALAVER_DATA={shlex.quote(settings.data)} "


def _command() -> str:
    """Write how to call this program from here."""
    beside = Path(sys.executable).with_name("palaver")
    if not beside.exists():
        return "palaver"
    here = Path.cwd()
    return shlex.quote(str(beside.relative_to(here) if beside.is_relative_to(here) else beside))


def _lines(base: str, token_command: str, palaver: str, alice: str, bob: str) -> str:
    curl = f"curl -s {base}/v1/conversations"
    bearer = '-H "Authorization: Bearer $PALAVER_TOKEN"'
    json_type = "-H 'Content-Type: application/json'"
    first_id = 'sed \'s/.*"conversation_id":"\\([^"]*\\)".*/\\1/\''
    return f"""
Try it: {base}/docs   Is it well: {base}/readyz
A token for alice, valid for a day (others: {token_command} --user NAME):

  export PALAVER_TOKEN={alice}

Open a conversation with bob, and say something by REST:

  CONVERSATION=$({curl} {bearer} {json_type} \\
    -H 'Idempotency-Key: hello-bob' -d '{{"members":["bob"],"title":"Hello"}}' \\
    | {first_id})
  {curl}/$CONVERSATION/messages {bearer} {json_type} \\
    -d '{{"client_message_id":"first","content":"hi bob"}}'; echo

Say something over the socket, and stay to listen (Ctrl-C ends it):

  {palaver} tail $CONVERSATION --url {base}

In a second terminal, be bob and answer:

  export PALAVER_TOKEN={bob}
  {palaver} tail $(curl -s '{base}/v1/conversations?limit=1' {bearer} | {first_id}) --url {base}

Ctrl-C stops the server."""
