"""`palaver restore`: puts databases back to a moment, after it has shown what that costs and has been told to."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from ops import restore_table
from ops.owned_settings import owned_settings
from ops.restore_listing import listed_place_of
from ops.restore_progress import shown_progress
from ops.restoring import moment, report, request
from ops.restoring.inplace import HandOver, Outcome
from ops.restoring.litestream import ASK_TIMEOUT_S
from ops.restoring.mark import ACCEPT, APPLY
from ops.restoring.refusal import Misused, Refused
from ops.restoring.request import Request

EXIT_REFUSED = 1
WORD = "restore"

app = typer.Typer(invoke_without_command=True, add_completion=False)


@app.callback()
def restore(
    context: typer.Context,
    at: Annotated[
        str, typer.Option("--at", help=f"The moment; without a zone it is UTC. {moment.HOW}.")
    ] = "",
    latest: Annotated[bool, typer.Option("--latest", help="All that was copied.")] = False,
    before: Annotated[str, typer.Option("--before", help="Just before an event: <conversation>/<seq>.")] = "",
    file: Annotated[
        list[str] | None, typer.Option("--file", help="One database, as main; several times. Else all.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All databases, to one moment (the default).")] = False,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write the copies there; nothing is overwritten.")
    ] = None,
    in_place: Annotated[
        bool,
        typer.Option("--in-place", help="Replace the files that are served; the server must be stopped."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Restore beside, tell what would be lost, and change nothing.")
    ] = False,
    replays: Annotated[
        str,
        typer.Option(
            "--replays",
            help="What becomes of messages that clients send again and that were rewound away: accept or refuse.",
        ),
    ] = ACCEPT,
    ledger: Annotated[
        str,
        typer.Option(
            "--ledger",
            help="What becomes of removals and deletions that are rewound away: apply them again, or skip them.",
        ),
    ] = APPLY,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; asks nothing.")] = False,
    time_limit: Annotated[
        float, typer.Option("--time-limit", help="Seconds for each answer of the replica.", min=1)
    ] = ASK_TIMEOUT_S,
) -> None:
    """Put databases back to a moment: restored beside, checked, compared, and only then swapped in.

    Exit 1 where it was refused; then nothing that is served was touched. A killed one goes on by the same command.
    """
    if context.invoked_subcommand is not None:
        return
    if every and file:
        _refuse("--all and --file: say one of them.", Misused.exit_code)
    if as_json and in_place and not yes:
        _refuse("--json asks nothing: add --yes to restore in place.", Misused.exit_code)
    asked = Request(
        at=at,
        latest=latest,
        before=before,
        files=tuple(file or ()),
        to=to,
        in_place=in_place,
        dry_run=dry_run,
        replays=replays,
        ledger=ledger,
        ask_timeout_s=time_limit,
    )
    run(asked, yes, as_json)


def run(asked: Request, yes: bool, as_json: bool, hand_over: HandOver | None = None) -> None:
    """Do what is asked, after consent, and tell what came of it; exits with EXIT_REFUSED where it is refused."""
    place = listed_place_of(owned_settings())
    try:
        with shown_progress() as (tell, pause):
            consents = partial(_consents, pause=pause, yes=yes, as_json=as_json)
            answer = request.run(place, asked, consents, tell, hand_over)
    except Refused as refused:
        _refuse(str(refused), refused.exit_code)
    except KeyboardInterrupt:
        _refuse("stopped; the same command goes on where this one was.")
    if as_json:
        print(json.dumps(report.report(answer)))
        return
    if not asked.in_place:
        restore_table.show(replace(answer.outcome, notes=answer.notes))
    for line in report.ended(answer, [str(path) for path in answer.restored]):
        Console().print(line, soft_wrap=True, markup=False)


def _consents(outcome: Outcome, pause: Progress, yes: bool, as_json: bool) -> bool:
    pause.stop()
    if not as_json:
        restore_table.show(outcome)
    if not yes:
        try:
            given = typer.prompt(
                f"Type {WORD} to put this in place of what is there", default="", show_default=False
            )
        except typer.Abort:
            return False
        if given.strip() != WORD:
            return False
    pause.start()
    return True


def _refuse(text: str, code: int = EXIT_REFUSED) -> None:
    print(f"palaver restore: {text}", file=sys.stderr)
    raise typer.Exit(code)
