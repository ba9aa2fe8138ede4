"""The listing of a replica behind a URL: which databases have copies there, and whether a server ever copied there.

Litestream itself lists no names. Where nothing here can list a kind of store either, the names must be given.
"""

from __future__ import annotations

import re
from dataclasses import replace

from chat.settings import BadSetting, Settings
from ops.leasing.bucket import told
from ops.leasing.lease_object import NAME, ObjectFailed
from ops.leasing.place import folder_in, store_of
from ops.restore_place import place_of
from ops.restoring.place import OFF, Place
from ops.supervising.target import target_of

# A bucket may hold more than ours; these are the names that a server gives its files.
_STEM = re.compile(r"\A(main|persona_[a-z0-9][a-z0-9_-]{0,62})\Z")


def listed_place_of(settings: Settings) -> Place:
    """Return the place of a restore with what its target holds; takes seconds where the store does not answer.

    Where it cannot be listed, whyever, nothing is said here: Litestream is asked next, and gives its reason.
    """
    place = place_of(settings)
    if place.replica == OFF:
        return place
    # Beside a server of one's own `palaver replicate` may have left it, before there was anything to copy.
    tells = settings.replicate == "inside"
    if place.target_folder is not None:
        return replace(place, used=tells and (place.target_folder / NAME).exists())
    try:
        target = target_of(settings)
        store, folder = store_of(target, settings), folder_in(target)
        if store is None:
            return place
        with told():
            found = store.list_with_delimiter(folder or None)
    except (BadSetting, ObjectFailed):
        return place
    stems = [prefix.strip("/").rpartition("/")[2] for prefix in found["common_prefixes"]]
    return replace(
        place,
        found=tuple(f"{stem}.db" for stem in sorted(stems) if _STEM.match(stem)),
        used=tells and any(each["path"] == f"{folder}{NAME}" for each in found["objects"]),
    )
