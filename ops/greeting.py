"""The greeting of a server: where it listens, whether its data is copied, and lines for a newcomer to paste."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from chat.auth import load_secret, mint
from chat.settings import Settings
from ops.supervising.target import target_of

DEMO_TTL_S = 24 * 3600
ALICE, BOB = "alice", "bob"


def greeting(settings: Settings, address: tuple[str, int], *, demo_tokens: bool) -> str:
    """Return what to print once the server listens; one with keys of its own has no token to give.

    `demo_tokens` writes tokens out, for a terminal alone: what is printed elsewhere ends in log files, and has the
    command that makes them instead.
    """
    host, port = address
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    told = f"Palaver serves {base} from {Path(settings.data).resolve()}\n{_replication(settings)}"
    if "HS256" not in settings.jwt_algorithms:
        return told
    command = f"{_folder(settings)}{_command()} token"
    alice, bob = (_token(settings, command, user, written_out=demo_tokens) for user in (ALICE, BOB))
    return f"{told}\n{_lines(base, command, _command(), alice, bob)}"


def _token(settings: Settings, command: str, user: str, *, written_out: bool) -> str:
    if not written_out:
        return f"$({command} --user {user})"
    secret = load_secret(settings)
    return mint(secret, user, DEMO_TTL_S, audience=settings.jwt_audience, issuer=settings.jwt_issuer)


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
