"""Restores databases where nothing but Python and the litestream binary is left: `python ops/restore.py --help`.

It does what `palaver restore` does, on a day when that does not start: no other package is needed.
"""

from __future__ import annotations

import os
import sys

# As a file, this would find its neighbours, of which some are called like modules of the standard library.
if __package__ in (None, ""):
    _HERE = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [os.path.dirname(_HERE), *(each for each in sys.path if os.path.abspath(each) != _HERE)]

import argparse
import json
from dataclasses import replace
from pathlib import Path

from ops.restoring import moment, owner, report
from ops.restoring.inplace import Outcome
from ops.restoring.litestream import ASK_TIMEOUT_S
from ops.restoring.mark import ACCEPT, APPLY, LEDGERS, REPLAYS
from ops.restoring.place import Place
from ops.restoring.progress import FETCH, Progress
from ops.restoring.refusal import Misused, Refused
from ops.restoring.request import Request, run
from ops.restoring.swap import settle

EXIT_REFUSED = 1
PRIVATE = 0o077
WORD = "restore"


def main(arguments: list[str] | None = None) -> int:
    """Restore what the arguments say, and return the exit code: 0, 1 refused with the reason, 2 not understood."""
    os.umask(PRIVATE)
    given = _parser().parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
    try:
        place = _place(given)
        told = owner.become(place.data, [sys.executable, *sys.argv])
        if told:
            print(f"restore: {told}", file=sys.stderr)
        if given.settle:
            print(settle(place.data) or "No restore was interrupted.")
            return 0
        answer = run(place, _request(given), lambda outcome: _consent(outcome, given), _tell)
    except Refused as refused:
        print(f"restore: {refused}", file=sys.stderr)
        return refused.exit_code
    except KeyboardInterrupt:
        print("restore: stopped; the same command goes on where this one was.", file=sys.stderr)
        return EXIT_REFUSED
    if given.json:
        print(json.dumps(report.report(answer)))
        return 0
    if not given.in_place:
        print("\n".join(report.lines(replace(answer.outcome, notes=answer.notes))))
    print("\n".join(report.ended(answer, [str(path) for path in answer.restored])))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="restore.py",
        description="Put databases back to a moment. The replica's address and keys come from the same PALAVER_ "
        f"variables as the server's. A moment: {moment.HOW}.",
    )
    when = parser.add_mutually_exclusive_group(required=True)
    when.add_argument("--at", default="", metavar="TIME", help="the moment; without a zone it is UTC")
    when.add_argument("--latest", action="store_true", help="all that was copied")
    when.add_argument("--before", default="", metavar="CONVERSATION/SEQ", help="just before that message")
    when.add_argument("--settle", action="store_true", help="only finish a restore that was interrupted")
    parser.add_argument("--file", action="append", default=[], help="one database, as main; several times")
    parser.add_argument("--all", action="store_true", help="all databases (this is the default)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--in-place", action="store_true", help="replace the files that are served")
    what.add_argument(
        "--to", type=Path, metavar="PATH", help="write the copies there; nothing is overwritten"
    )
    what.add_argument(
        "--dry-run", action="store_true", help="restore beside, tell what would be lost, no more"
    )
    parser.add_argument(
        "--replays", choices=REPLAYS, default=ACCEPT, help="what becomes of messages sent again"
    )
    parser.add_argument(
        "--ledger", choices=LEDGERS, default=APPLY, help="what becomes of removals and deletions since"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print JSON; asks nothing, so it needs --yes")
    parser.add_argument("--data", help="the data folder, instead of PALAVER_DATA")
    parser.add_argument("--replica", help="where the copies are, instead of PALAVER_REPLICA")
    parser.add_argument("--litestream", help="the litestream binary, instead of PALAVER_LITESTREAM")
    parser.add_argument(
        "--time-limit", type=float, default=ASK_TIMEOUT_S, metavar="S", help="for each answer of the replica"
    )
    return parser


def _joined(arguments: list[str]) -> list[str]:
    """Write `--at -10m` as one word, since a word that begins with a dash is taken for an option."""
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1] == "--at":
            joined[-1] = f"--at={word}"
        else:
            joined.append(word)
    return joined


def _place(given: argparse.Namespace) -> Place:
    options = {"DATA": given.data, "REPLICA": given.replica, "LITESTREAM": given.litestream}
    named = {f"PALAVER_{name}": value for name, value in options.items() if value is not None}
    return Place.of({**os.environ, **named})


def _request(given: argparse.Namespace) -> Request:
    if given.json and given.in_place and not given.yes:
        raise Misused("--json asks nothing: add --yes to restore in place.")
    if given.all and given.file:
        raise Misused("--all and --file: say one of them.")
    return Request(
        at=given.at,
        latest=given.latest,
        before=given.before,
        files=tuple(given.file),
        to=given.to,
        in_place=given.in_place,
        dry_run=given.dry_run,
        replays=given.replays,
        ledger=given.ledger,
        ask_timeout_s=given.time_limit,
    )


def _consent(outcome: Outcome, given: argparse.Namespace) -> bool:
    if not given.json:
        print("\n".join(report.lines(outcome)), flush=True)
    if given.yes:
        return True
    try:
        return input(f"Type {WORD} to put this in place of what is there: ").strip() == WORD
    except EOFError:
        return False


def _tell(progress: Progress) -> None:
    if progress.step != FETCH or progress.done == 0:
        print(f"{progress.step}: {progress.file}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
