"""Which supervisor of Litestream a server has: its own, or the one that runs alongside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from chat.settings import Settings
from ops.litestream import Litestream
from ops.litestream_alongside import LitestreamAlongside
from ops.litestream_status import Supervisor

Files = Callable[[], Sequence[Path]]

_SUPERVISORS: dict[str, Callable[[Settings, Files], Supervisor]] = {
    "inside": Litestream,
    "alongside": lambda settings, _files: LitestreamAlongside(settings),
}


def supervisor_of(settings: Settings, files: Files) -> Supervisor:
    """Make the one that the settings ask for; raises BadSetting for a target that cannot be one. Not for `off`."""
    return _SUPERVISORS[settings.replicate](settings, files)
