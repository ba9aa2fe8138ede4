"""The restore in place: everything of a restore beside, then the loss, the consent, the mark and the swap.

Until the intent is written nothing that is served was touched; from then on the swap will be done, whoever does it.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ops.restoring import beside, intent, locks, scratch, swap
from ops.restoring import ledger as ledgers
from ops.restoring import plan as planning
from ops.restoring.beside import Copy
from ops.restoring.litestream import ASK_TIMEOUT_S
from ops.restoring.loss import Loss, loss
from ops.restoring.mark import ACCEPT, APPLY, mark
from ops.restoring.place import Place
from ops.restoring.plan import Plan
from ops.restoring.progress import COMPARE, MARK, SWAP, Progress, Tell, nobody
from ops.restoring.refusal import Refused

STAGING = "staging-"
# A copy that a killed restore left is used again this long; the same restore asked for later fetches anew.
RESUME_MAX_S = 6 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a restore did, or would do. `old` is the folder of what was there before, empty where nothing was.

    `notes` are sentences for whoever is asked to consent, `ledger` one about what was fetched for it.
    """

    at_ms: int | None
    copies: tuple[Copy, ...]
    losses: tuple[Loss, ...]
    settled: str = ""
    old: str = ""
    ledger: str = ""
    notes: tuple[str, ...] = ()

    @property
    def skew_ms(self) -> int:
        """Return by how much the moments of the files differ."""
        moments = [copy.standing.moment_ms for copy in self.copies if copy.standing.moment_ms is not None]
        return max(moments) - min(moments) if moments else 0


@dataclass(frozen=True)
class _Mark:
    """What the copies will say of the restore."""

    cause: str
    replays: str
    ledger: str


Consent = Callable[[Outcome], bool]
"""Shown what would be lost; False stops the restore, and nothing was touched."""


HandOver = Callable[[str], str]
"""Asks a server for the swap, given the folder in `restores` with the marked copies; returns where the old files are.

Raises Refused where it was not done.
"""


class NotWanted(Refused):
    """Whoever was asked did not consent; nothing was touched."""


def restore_in_place(
    place: Place,
    files: Sequence[str],
    at_ms: int | None,
    consent: Consent,
    *,
    cause: str,
    replays: str = ACCEPT,
    ledger: str = APPLY,
    tell: Tell = nobody,
    step: swap.Step = swap.unheard,
    ask_timeout_s: float = ASK_TIMEOUT_S,
    hand_over: HandOver | None = None,
) -> Outcome:
    """Put files back to one moment, the latest for None: all of them or none.

    With `hand_over` a server that has the files open swaps them itself; else nobody may have them open.

    Raises Refused, with what to do; a killed one is done again by the same call, or finished by whoever settles.
    """
    for file in files:
        if (place.data / file).is_symlink():
            raise Refused(f"{place.data / file} is a link: put the file itself there, or restore with --to.")
    with locks.held(place.data, files) if hand_over is None else locks.alone(place.data):
        if hand_over is None:
            settled = swap.resolve(place.data, step)
        else:
            settled = ""
            _refuse_unfinished(place)
        plans = beside.plans_of(place, files, at_ms, tell=tell, ask_timeout_s=ask_timeout_s)
        wanted = ledgers.lacking(place, plans, ledger, tell=tell, ask_timeout_s=ask_timeout_s)
        with _staging(place, plans) as folder:
            records = ledgers.derive(place, wanted, folder, tell=tell)
            copies = beside.copies_of(place, plans, folder, tell=tell)
            step("the copies are checked")
            records = ledgers.beyond(records, [(copy.path, copy.file) for copy in copies])
            outcome = Outcome(
                at_ms=at_ms,
                copies=tuple(copies),
                losses=losses_of(place, copies, tell),
                settled=settled,
                ledger=ledgers.said(wanted, records),
            )
            if not consent(outcome):
                shutil.rmtree(folder, ignore_errors=True)
                raise NotWanted("Nothing was restored, and nothing was touched.")
            # Before the intent: a start that finds the swap done must find what it forbids, too.
            ledgers.append(place.data, records)
            step("the ledger is written")
            old = _replace(place, copies, folder, _Mark(cause, replays, ledger), tell, step, hand_over)
            shutil.rmtree(folder, ignore_errors=True)
    return replace(outcome, old=old)


def losses_of(place: Place, copies: Sequence[Copy], tell: Tell = nobody) -> tuple[Loss, ...]:
    """Compare each copy with the file that is served."""
    found = []
    for copy in copies:
        tell(Progress(COMPARE, copy.file))
        found.append(loss(place.data / copy.file, copy.path, copy.standing))
    return tuple(found)


def _refuse_unfinished(place: Place) -> None:
    """Leave the copy alone that a server is putting in place: what is taken from it cannot be told any more."""
    if intent.read(place.data) is not None:
        raise Refused(
            "The server has not finished the restore before this one. Its log and /readyz say why; a restart finishes "
            "it, or undoes it. Then restore again."
        )


def _replace(
    place: Place,
    copies: Sequence[Copy],
    folder: Path,
    said: _Mark,
    tell: Tell,
    step: swap.Step,
    hand_over: HandOver | None,
) -> str:
    for copy in copies:
        tell(Progress(MARK, copy.file))
        mark(copy.path, said.cause, said.replays, said.ledger)
        step(f"{copy.file} is marked")
    files = tuple(copy.file for copy in copies)
    tell(Progress(SWAP, ", ".join(files)))
    if hand_over is not None:
        return hand_over(folder.name)
    pending = intent.begin(place.data, folder.name, files)
    step("the intent is written")
    swap.finish(place.data, pending, step)
    return str(place.data / pending.old) if pending.replaced else ""


@contextmanager
def _staging(place: Place, plans: Sequence[Plan]) -> Iterator[Path]:
    """Hold the folder that the same restore always gets, so that it goes on where a killed one ended."""
    text = "\n".join([place.target, *(f"{plan.file} {plan.last}" for plan in plans)])
    name = f"{STAGING}{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    for other in place.restores.glob(f"{STAGING}*"):
        # We hold what keeps two restores apart, so nobody works there.
        if other.name != name or time.time() - other.stat().st_mtime > RESUME_MAX_S:
            shutil.rmtree(other, ignore_errors=True)
    planning.refuse_without_room(place, plans)
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch.held(place.restores / name))
        except BlockingIOError as error:
            raise Refused(f"Another restore works in {place.restores / name}. Wait for it.") from error
        if folder.stat().st_dev != place.data.stat().st_dev:
            raise Refused(
                f"{place.restores} is on another file system than {place.data}: make it a plain folder."
            )
        for leftover in [*folder.glob("*.marked*"), *folder.glob("*.part-*"), *folder.glob("*.db-*")]:
            leftover.unlink()
        yield folder
