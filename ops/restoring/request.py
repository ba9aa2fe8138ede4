"""A request: what somebody asks of a restore in words, and its course from there; for every command that restores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ops.restoring import before, beside, disk, moment, scratch
from ops.restoring import ledger as ledgers
from ops.restoring import plan as planning
from ops.restoring.beside import Copy
from ops.restoring.inplace import Consent, HandOver, Outcome, losses_of, restore_in_place
from ops.restoring.litestream import ASK_TIMEOUT_S
from ops.restoring.mark import ACCEPT, APPLY, LEDGERS, REPLAYS
from ops.restoring.place import MAIN, OFF, Place, file_name, known_files, unlisted
from ops.restoring.plan import Plan
from ops.restoring.progress import Tell, nobody
from ops.restoring.refusal import Misused, Refused

FOLDER_MODE = 0o700
# A copy that is further from the wanted moment than two heartbeats and the rhythm of older copies is remarked on.
LATE_MS = 90 * moment.MS


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of `restore`. One of `at`, `latest`, `before`; one of `to`, `in_place`, `dry_run`.

    No `files` means all that are known. With one file, `to` is its new path; with several, a folder for them.
    """

    at: str = ""
    latest: bool = False
    before: str = ""
    files: tuple[str, ...] = ()
    to: Path | None = None
    in_place: bool = False
    dry_run: bool = False
    replays: str = ACCEPT
    ledger: str = APPLY
    ask_timeout_s: float = ASK_TIMEOUT_S


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of it; `notes` are sentences for a person."""

    outcome: Outcome
    restored: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def run(
    place: Place,
    request: Request,
    consent: Consent,
    tell: Tell = nobody,
    hand_over: HandOver | None = None,
) -> Answer:
    """Do what is asked; raises Refused with what to do, and then nothing that is served was touched.

    `hand_over` asks a server that has the files open to swap them; see restore_in_place.
    """
    _check(request)
    with disk.refusing(request.to.absolute().parent if request.to else place.data):
        return _run(place, request, consent, tell, hand_over)


def _run(place: Place, request: Request, consent: Consent, tell: Tell, hand_over: HandOver | None) -> Answer:
    row = None
    if request.before:
        row = before.find(place, request.before, tell=tell, ask_timeout_s=request.ask_timeout_s)
        at_ms: int | None = row.at_ms
    else:
        at_ms = None if request.latest else moment.parse(request.at)
    files = _files(place, request)
    if row is not None and row.file not in files:
        raise Misused(f"--before names a row of {row.file}, which is not among the files to restore.")
    told = "" if request.files else unlisted(place)
    seen = [told] if told else []

    def consent_to(outcome: Outcome) -> bool:
        seen.extend(_notes(outcome, row))
        return consent(replace(outcome, notes=tuple(seen)))

    if request.in_place:
        outcome = restore_in_place(
            place,
            files,
            at_ms,
            consent_to,
            cause=_cause(request, at_ms),
            replays=request.replays,
            ledger=request.ledger,
            tell=tell,
            ask_timeout_s=request.ask_timeout_s,
            hand_over=hand_over,
        )
        restored: tuple[Path, ...] = tuple(place.data / file for file in files)
    else:
        outcome, restored = _beside(place, request, files, at_ms, tell)
        seen.extend(_notes(outcome, row))
    return Answer(outcome=outcome, restored=restored, notes=tuple(seen))


def _check(request: Request) -> None:
    if sum(map(bool, (request.at, request.latest, request.before))) != 1:
        raise Misused("Say which moment: --at TIME, --latest or --before <conversation>/<seq>, one of them.")
    if sum(map(bool, (request.to, request.in_place, request.dry_run))) != 1:
        raise Misused(
            "Say what to do: --in-place replaces the files that are served, --to PATH writes copies elsewhere, "
            "--dry-run restores beside and only tells; one of them."
        )
    if request.replays not in REPLAYS:
        raise Misused(f"--replays {request.replays}: accept or refuse.")
    if request.ledger not in LEDGERS:
        raise Misused(f"--ledger {request.ledger}: apply or skip.")


def _files(place: Place, request: Request) -> list[str]:
    named = list(dict.fromkeys(file_name(file) for file in request.files))
    if place.replica == OFF:
        assert place.target  # refuses, with the reason
    return named or known_files(place) or [MAIN]


def _cause(request: Request, at_ms: int | None) -> str:
    if request.before:
        return f"restored to before {request.before}"
    return "restored to the latest copy" if at_ms is None else f"restored to {moment.shown(at_ms)}"


def _beside(
    place: Place, request: Request, files: Sequence[str], at_ms: int | None, tell: Tell
) -> tuple[Outcome, tuple[Path, ...]]:
    """Restore without touching anything: into the folder or file that is named, or only to look."""
    targets = _targets(request.to, files)
    if not place.data.is_dir():
        place.data.mkdir(mode=FOLDER_MODE, parents=True)
    home = place if request.to is None else replace(place, restores_in=targets[0].parent)
    plans = beside.plans_of(place, files, at_ms, tell=tell, ask_timeout_s=request.ask_timeout_s)
    planning.refuse_without_room(home, plans)
    with scratch.temporary(home) as folder:
        copies = beside.copies_of(place, plans, folder, tell=tell)
        outcome = Outcome(
            at_ms=at_ms,
            copies=tuple(copies),
            losses=losses_of(place, copies, tell),
            ledger=_ledger_of(place, request, plans) if request.dry_run else "",
        )
        for copy, target in zip(copies, targets, strict=bool(targets)):
            _put(copy, target)
    return outcome, targets


def _ledger_of(place: Place, request: Request, plans: Sequence[Plan]) -> str:
    """Tell what a restore in place would have to fetch beside, or why it would be refused."""
    try:
        return ledgers.cost(
            ledgers.lacking(place, plans, request.ledger, ask_timeout_s=request.ask_timeout_s)
        )
    except Refused as refused:
        return str(refused)


def _targets(to: Path | None, files: Sequence[str]) -> tuple[Path, ...]:
    """Name the new file of each database; raises Refused where one is there already."""
    if to is None:
        return ()
    path = to.absolute()
    targets = (path,) if len(files) == 1 and not path.is_dir() else tuple(path / file for file in files)
    for target in targets:
        for name in (target, *(target.with_name(target.name + end) for end in ("-wal", "-shm", "-journal"))):
            if os.path.lexists(name):
                raise Refused(f"{name} is there already. Nothing is overwritten: name another --to.")
    targets[0].parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    return targets


def _put(copy: Copy, target: Path) -> None:
    # A link is made only where no file is, so nothing is overwritten even by two restores at once.
    os.link(copy.path, target)
    disk.flush_folder(target.parent)


def _notes(outcome: Outcome, row: before.Row | None) -> list[str]:
    notes = [each for each in (outcome.settled, outcome.ledger) if each]
    for copy in outcome.copies:
        if row is not None and row.file == copy.file:
            notes.append(before.verdict(row, copy))
        notes += _moment_notes(outcome, copy)
    if outcome.skew_ms > LATE_MS:
        notes.append(f"The files are of moments that lie {moment.span(outcome.skew_ms)} apart.")
    return notes


def _moment_notes(outcome: Outcome, copy: Copy) -> list[str]:
    found_ms = copy.standing.moment_ms
    if found_ms is None:
        return [
            f"{copy.file} has no heartbeat and no message: its own rows do not tell which moment it is of."
        ]
    if outcome.at_ms is None:
        return []
    if found_ms > outcome.at_ms:
        return [f"{copy.file} holds rows of {moment.shown(found_ms)}: a clock was set back meanwhile."]
    if outcome.at_ms - found_ms <= LATE_MS:
        return []
    note = (
        f"{copy.file} is of {moment.shown(found_ms)}, {moment.span(outcome.at_ms - found_ms)} before the moment that "
        "was asked for: either no server ran in between, or its copies of that time are missing."
    )
    return [note]
