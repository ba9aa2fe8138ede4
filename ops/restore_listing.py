"""The listing of a replica behind a URL: which databases have copies there, and whether a server ever copied there.

Litestream itself lists no names. Where nothing here can list a kind of store either, the names must be given.
"""

from __future__ import annotations

import re
from dataclasses import replace

from chat.settings import BadSetting, Settings
from ops.leasing.lease_object import NAME, ObjectFailed
from ops.leasing.place import names_at
from ops.restore_place import place_of
from ops.restoring.place import OFF, Place

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
        names = names_at(settings)
    except (BadSetting, ObjectFailed):
        return place
    if names is None:
        return place
    stems = sorted(name for name in names if _STEM.match(name))
    return replace(place, found=tuple(f"{stem}.db" for stem in stems), used=tells and NAME in names)
