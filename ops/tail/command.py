"""palaver tail: shows a conversation live and sends what is typed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn, TextIO

import typer

from chat.settings import Settings
from ops.tail.address import default_url
from ops.tail.connection import socket_url
from ops.tail.ending import Ending, ExitCode
from ops.tail.follower import Follower, Wish
from ops.tail.keyboard import Keyboard, is_keyboard
from ops.tail.output import Output
from ops.tail.records import Owner
from ops.tail.screen import screen_for
from ops.tail.state import State
from ops.tail.terminal import TerminalScreen
from ops.tail.token import Token
from ops.tail.typed import typed_lines

STATE_HOME = Path(".local/state/palaver/tail")
STANDARD_INPUT = 0
PAGE_MAX = 200
DIGEST_CHARACTERS = 16
READABLE_CHARACTERS = 64


def tail(
    conversation: Annotated[str, typer.Argument(help="The conversation's id, as main:0192….")],
    url: Annotated[
        str | None,
        typer.Option(
            help="The server's address; if absent, that of PALAVER_HOST and PALAVER_PORT, "
            "http://127.0.0.1:8000 unless they are set."
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="PALAVER_TOKEN",
            help="Your token. In the variable other users of the machine cannot see it, here they can.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="A file with your token, instead; read again when the token has expired."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="The folder that keeps your place and what is not sent yet; one for each server, user and "
            "conversation in ~/.local/state/palaver/tail if you name none."
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            min=0, max=PAGE_MAX, help="Messages to begin with, where there is no place to go on from."
        ),
    ] = 50,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
    exit_after: Annotated[
        int, typer.Option(min=0, help="Stop when at least this many messages were shown; 0: never.")
    ] = 0,
    exit_when_sent: Annotated[
        bool,
        typer.Option(
            "--exit-when-sent",
            help="Stop when input has ended, all of it is acked, and what was missed is shown.",
        ),
    ] = False,
) -> None:
    """Show a conversation live, and send each line that is typed.

    Both sides may be stopped, killed and started again at any moment: it
    goes on where it was, and says so in the one case where it cannot (a
    `reload`: the newest messages are then shown once more). Standard output
    has the conversation and nothing else; notices go to standard error,
    unless output is a terminal: there a line that waits to be stored stays in
    sight, and what is being typed stands below what comes in. After a crash of this command the last
    events may be shown twice, never not at all.

    Exit codes: 0 all well (Ctrl-C too), 2 wrong use, 3 the token, 4 the
    conversation, 5 the state folder or the output, 6 the server refused or
    is none, 7 lines were refused (with --exit-when-sent).
    """
    try:
        who = Token(token, token_file)
        owner = Owner(who.user, conversation)
        address = url or default_url(Settings.from_environment())
        socket_url(address)
        _speak_utf8(sys.stdout)
        screen = screen_for(conversation, who.user, sys.stdout, sys.stderr, json=json)
        wish = Wish(
            url=address,
            conversation=conversation,
            page_size=limit,
            at_terminal=isinstance(screen, TerminalScreen),
            exit_after=exit_after,
            exit_when_sent=exit_when_sent,
        )
        with closing(State(state or default_folder(address, owner), owner)) as kept:
            asyncio.run(_follow(wish, who, kept, Output(screen, kept)))
    except Ending as ending:
        _end(ending)


def default_folder(url: str, owner: Owner) -> Path:
    """Return the folder for one user in one conversation of one server; no id is taken as a path."""
    digest = hashlib.sha256("\n".join((url, owner.user, owner.conversation)).encode()).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9-]", "_", owner.conversation)[:READABLE_CHARACTERS]
    return Path.home() / STATE_HOME / f"{readable}-{digest[:DIGEST_CHARACTERS]}"


async def _follow(wish: Wish, token: Token, state: State, output: Output) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        with _typed(wish, output) as typed:
            await Follower(wish, token, state, output).run(typed)
    except asyncio.CancelledError:
        raise Ending(ExitCode.DONE) from None
    finally:
        output.finish()


@contextmanager
def _typed(wish: Wish, output: Output) -> Iterator[AsyncIterator[str]]:
    """Read the keyboard key by key where a person sits at it, and whole lines elsewhere."""
    if wish.at_terminal and is_keyboard(STANDARD_INPUT):
        with Keyboard(STANDARD_INPUT, output.compose) as keyboard:
            yield keyboard.lines()
    else:
        yield typed_lines(STANDARD_INPUT)


def _end(ending: Ending) -> NoReturn:
    if str(ending):
        typer.echo(str(ending), err=True)
    for stream in (sys.stdout, sys.stderr):
        _let_go(stream)
    raise typer.Exit(int(ending.code))


def _let_go(stream: TextIO) -> None:
    """Take away what is still buffered for a reader that has gone: Python would complain of it at exit."""
    try:
        stream.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _speak_utf8(stream: TextIO) -> None:
    # JSON is UTF-8 wherever it goes, and no message may end the command because a locale lacks its letters.
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="replace")
