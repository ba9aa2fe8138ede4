"""The start of a server, seen from restores: what was interrupted is finished, and nothing begins anew unasked."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from chat.auth import SECRET_FILE
from chat.settings import Settings
from ops.doctor import StartRefused
from ops.restore_place import place_of
from ops.restoring import disk, moment, scratch, swap
from ops.restoring.missing import refuse_empty, restore_missing
from ops.restoring.place import MAIN, OFF, Place, is_there, unlisted
from ops.restoring.refusal import Refused

logger = logging.getLogger("palaver.restore")


def prepare(settings: Settings, *, start_empty: bool) -> None:
    """Finish a swap that was interrupted, and refuse to begin anew what was there before unless `start_empty` says so.

    For the server, before it opens a database; may take seconds where the replica is asked. Raises StartRefused.
    """
    place = _place_of(settings)
    try:
        settled = swap.settle(place.data)
        if settled:
            logger.warning("%s", settled)
        scratch.sweep(place)
        if not start_empty:
            refuse_empty(place)
    except Refused as refused:
        raise StartRefused(str(refused)) from refused


def fetch_missing(settings: Settings, *, start_empty: bool) -> None:
    """Restore what is missing from its newest copies, and say so on stderr; raises Refused."""
    # Not at the top: a server comes by here at each start, and draws no bars.
    from ops.restore_progress import shown_progress

    place = _place_of(settings)
    with disk.refusing(place.data.parent):
        place.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    unknown = unlisted(place)
    with shown_progress() as (tell, _):
        outcome = restore_missing(place, start_empty=start_empty, tell=tell)
    if outcome is None:
        if not is_there(place.data / MAIN) and place.replica != OFF:
            print(f"Nothing was ever copied to {_shown(place)}: this is a first start.", file=sys.stderr)
        return
    if unknown:
        print(unknown, file=sys.stderr)
    for copy in outcome.copies:
        found_ms = copy.standing.moment_ms
        of = "an unknown moment" if found_ms is None else moment.shown(found_ms)
        took_s = copy.fetch_s + copy.check_s
        print(f"{copy.file} was missing, and is restored: of {of}, in {took_s:.1f} s.", file=sys.stderr)
    _remind_of_secret(settings)


def _place_of(settings: Settings) -> Place:
    """Return the place; only where everything is missing its target is listed, which may take seconds."""
    place = place_of(settings)
    if is_there(place.data / MAIN):
        return place
    # Not at the top: most starts have their files, and need no client of object stores for this.
    from ops.restore_listing import listed_place_of

    return listed_place_of(settings)


def _shown(place: Place) -> str:
    return place.target.partition("?")[0]


def _remind_of_secret(settings: Settings) -> None:
    secret = Path(settings.data) / SECRET_FILE
    if not secret.exists():
        print(
            f"{secret} is missing too, and is on no replica: put the one of the lost machine there, or every token "
            "that it signed is refused from now on.",
            file=sys.stderr,
        )
