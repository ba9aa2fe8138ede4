"""Missing files: a server that would start empty where copies exist is stopped, and what is missing is fetched."""

from __future__ import annotations

from collections.abc import Sequence

from ops.restoring.inplace import Outcome, restore_in_place
from ops.restoring.litestream import Litestream
from ops.restoring.place import MAIN, OFF, Place, known_files
from ops.restoring.progress import Tell, nobody
from ops.restoring.refusal import Refused
from ops.restoring.swap import settle

ASK_TIMEOUT_S = 20.0
EARLIER = ("secret", "ledger.jsonl")
"""What a server leaves in its data folder and on no replica."""
CAUSE = "the file was missing at the start of the server"
WAYS = (
    "`palaver serve --restore-if-missing` fetches the newest copies first; `palaver restore` takes another moment; "
    "`palaver serve --start-empty` starts without what was there"
)


def refuse_empty(place: Place) -> None:
    """Raise Refused where a start would begin anew what was there before, or where nobody can tell.

    A target that was used before and holds no copies any more is no first start either.
    """
    gone = _gone(place)
    if gone:
        raise Refused(f"{', '.join(gone)} was in {place.data}, and is gone. {WAYS}.")
    if (place.data / MAIN).exists() or place.replica == OFF:
        return
    try:
        copied = _copied(place)
    except Refused as unknown:
        raise Refused(
            f"There is no {MAIN} in {place.data}, and whether there are copies of it cannot be told. {unknown} "
            "On the very first start, when there can be none, `palaver serve --start-empty` goes on."
        ) from unknown
    if copied:
        raise Refused(
            f"There is no {MAIN} in {place.data}, but {place.target} has copies of {', '.join(copied)}. {WAYS}."
        )
    if place.used:
        raise _emptied(place)


def restore_missing(place: Place, *, start_empty: bool = False, tell: Tell = nobody) -> Outcome | None:
    """Restore the newest copies of what is missing; None where nothing is, as on the first start of all.

    A first start is one whose target answers, holds no copies and was never used, on a machine without anything of an
    earlier server: to a lost machine with a wrong address the secret was brought back. `start_empty` insists that it is
    one where that is not so. Raises Refused for all that a restore refuses, too.
    """
    settle(place.data)
    missing = _gone(place)
    if not (place.data / MAIN).exists():
        others = [file for file in known_files(place) if not (place.data / file).exists() and file != MAIN]
        missing = [MAIN, *others]
    if not missing or _is_first_start(place, missing, start_empty):
        return None
    return restore_in_place(place, missing, None, lambda _: True, cause=CAUSE, tell=tell)


def _is_first_start(place: Place, missing: Sequence[str], start_empty: bool) -> bool:
    """Tell whether there never was anything to restore."""
    if _gone(place):
        return False
    if place.replica == OFF:
        return True
    if missing != [MAIN] or _copied(place):
        return False
    if start_empty:
        return True
    if place.used:
        raise _emptied(place)
    brought = [name for name in EARLIER if (place.data / name).exists()]
    if brought:
        raise Refused(
            f"{place.data} has the {' and the '.join(brought)} of an earlier server and no {MAIN}, and there is no "
            f"copy of it in {place.target}. See that PALAVER_REPLICA names the right place. If no server ever was, "
            "`palaver serve --start-empty` begins anew."
        )
    return True


def _emptied(place: Place) -> Refused:
    return Refused(
        f"There is no {MAIN} in {place.data}, and {place.target} was used by a server and holds no copies any more: "
        "see what became of them, and whether a backup is left. `palaver serve --start-empty` begins anew."
    )


def _gone(place: Place) -> list[str]:
    """Name the databases that were noted in the data folder and are not there."""
    names = sorted(path.name.removesuffix(".noted") for path in place.data.glob("*.db.noted"))
    return [name for name in names if not (place.data / name).exists()]


def _copied(place: Place) -> list[str]:
    """Name the databases that the target has copies of; of one whose listing names none, main.db is asked for.

    There are stores that leave folders out of their listings, and a start from nothing must not believe them.
    """
    folder = place.target_folder
    if place.found:
        return list(place.found)
    if folder is None:
        return [MAIN] if Litestream(place, "main", ASK_TIMEOUT_S).files() else []
    return sorted(f"{path.parent.name}.db" for path in folder.glob("*/ltx") if any(path.rglob("*.ltx")))
