"""Missing files: a server that would start empty where copies exist is stopped, and what is missing is fetched."""

from __future__ import annotations

from collections.abc import Sequence

from ops.restoring import disk
from ops.restoring.inplace import Outcome, restore_in_place
from ops.restoring.intent import REPLACED
from ops.restoring.litestream import Litestream
from ops.restoring.place import MAIN, OFF, RESTORES, Place, is_there, known_files
from ops.restoring.progress import Tell, nobody
from ops.restoring.refusal import Refused
from ops.restoring.swap import settle

ASK_TIMEOUT_S = 20.0
SECRET = "secret"  # noqa: S105, a file's name
EARLIER = ("ledger.jsonl", f"{RESTORES}/{REPLACED}*", "replica/*/ltx")
"""What a server leaves in its data folder, and no command before the first start."""
DRILLS = "drills.jsonl"
DRILLED = b'"file":'
"""Stands in the history of drills once one has restored something; a drill in an empty folder is noted, too."""
CAUSE = "the file was missing at the start of the server"
WAYS = (
    "`palaver serve --restore-if-missing` fetches the newest copies first; `palaver restore` takes another moment; "
    "`palaver serve --start-empty` starts without what was there"
)


def refuse_empty(place: Place) -> None:
    """Raise Refused where a start would begin anew what was there before, or where nobody can tell.

    A target that was used before and holds no copies any more is no first start either, nor is a folder in which there
    is something of an earlier server. A secret is no sign of one: `palaver token` makes it before the first start.
    """
    gone = _gone(place)
    if gone:
        raise Refused(f"{', '.join(gone)} was in {place.data}, and is gone or empty. {WAYS}.")
    if is_there(place.data / MAIN):
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
    _refuse_remains(place, _remains(place))


def restore_missing(place: Place, *, start_empty: bool = False, tell: Tell = nobody) -> Outcome | None:
    """Restore the newest copies of what is missing; None where nothing is, as on the first start of all.

    A first start is one whose target answers, holds no copies and was never used, on a machine without anything of an
    earlier server: to a lost machine with a wrong address the secret was brought back. `start_empty` insists that it is
    one where that is not so. Raises Refused for all that a restore refuses, too.
    """
    settle(place.data)
    missing = _gone(place)
    if not is_there(place.data / MAIN):
        others = [file for file in known_files(place) if not is_there(place.data / file) and file != MAIN]
        missing = [MAIN, *others]
    if not missing or _is_first_start(place, missing, start_empty):
        return None
    with disk.refusing(place.data):
        return restore_in_place(place, missing, None, lambda _: True, cause=CAUSE, tell=tell)


def _is_first_start(place: Place, missing: Sequence[str], start_empty: bool) -> bool:
    """Tell whether there never was anything to restore."""
    if _gone(place) or missing != [MAIN] or _copied(place):
        return False
    if start_empty:
        return True
    if place.used:
        raise _emptied(place)
    brought = [SECRET] if place.replica != OFF and (place.data / SECRET).exists() else []
    _refuse_remains(place, brought + _remains(place))
    return True


def _refuse_remains(place: Place, remains: Sequence[str]) -> None:
    if not remains:
        return
    found = f"{place.data} has the {' and the '.join(remains)} of an earlier server and no {MAIN}, and "
    if place.replica == OFF:
        raise Refused(
            f"{found}PALAVER_REPLICA=off says that there are no copies. If there are, name their folder or URL there, "
            "and `palaver serve --restore-if-missing` fetches them; if a backup is left, put it back. "
            "`palaver serve --start-empty` begins anew."
        )
    raise Refused(
        f"{found}there is no copy of it in {place.target}. See that PALAVER_REPLICA names the right place: from there "
        "`palaver serve --restore-if-missing` fetches the newest copies. If no server ever was, "
        "`palaver serve --start-empty` begins anew."
    )


def _remains(place: Place) -> list[str]:
    """Name what is in the data folder of a server that was there before."""
    found = [each.partition("/")[0] for each in EARLIER if any(place.data.glob(each))]
    drills = place.data / DRILLS
    return [*found, DRILLS] if drills.is_file() and DRILLED in drills.read_bytes() else found


def _emptied(place: Place) -> Refused:
    return Refused(
        f"There is no {MAIN} in {place.data}, and {place.target} was used by a server and holds no copies any more: "
        "see what became of them, and whether a backup is left. `palaver serve --start-empty` begins anew."
    )


def _gone(place: Place) -> list[str]:
    """Name the databases that were noted in the data folder and are not there."""
    names = sorted(path.name.removesuffix(".noted") for path in place.data.glob("*.db.noted"))
    return [name for name in names if not is_there(place.data / name)]


def _copied(place: Place) -> list[str]:
    """Name the databases that the target has copies of; of one whose listing names none, main.db is asked for.

    There are stores that leave folders out of their listings, and a start from nothing must not believe them.
    """
    if place.replica == OFF:
        return []
    folder = place.target_folder
    if place.found:
        return list(place.found)
    if folder is None:
        return [MAIN] if Litestream(place, "main", ASK_TIMEOUT_S).files() else []
    return sorted(f"{path.parent.name}.db" for path in folder.glob("*/ltx") if any(path.rglob("*.ltx")))
