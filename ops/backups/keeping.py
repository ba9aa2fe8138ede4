"""Which backups are kept: all of the last two days, then one a day, one a week, one a month."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence

import msgspec

from chat.settings import Settings
from ops.backups.manifest import Manifest

RECENT_MS = 48 * 3600 * 1000


class Keep(msgspec.Struct, frozen=True):
    """How many days, weeks and months are kept; all 0 keeps everything."""

    daily: int
    weekly: int
    monthly: int

    @classmethod
    def of(cls, settings: Settings) -> Keep:
        """Take what the settings say."""
        return cls(settings.backup_daily, settings.backup_weekly, settings.backup_monthly)


def expired(backups: Sequence[Manifest], keep: Keep) -> list[Manifest]:
    """Return what may be removed, oldest first. The clock is the newest backup's: a stopped timer removes nothing.

    Of a day, a week or a month the newest backup stands for all; days without one do not count.
    """
    if not backups or not (keep.daily or keep.weekly or keep.monthly):
        return []
    newest_first = sorted(backups, key=lambda each: each.moment_ms, reverse=True)
    newest_ms = newest_first[0].moment_ms
    staying = {each.name for each in newest_first if each.kept or newest_ms - each.moment_ms < RECENT_MS}
    staying |= _newest_of_each(newest_first, keep.daily, lambda day: day.isoformat())
    staying |= _newest_of_each(newest_first, keep.weekly, lambda day: str(day.isocalendar()[:2]))
    staying |= _newest_of_each(newest_first, keep.monthly, lambda day: day.isoformat()[:7])
    return [each for each in reversed(newest_first) if each.name not in staying]


def _newest_of_each(
    newest_first: Sequence[Manifest], count: int, period_of: Callable[[datetime.date], str]
) -> set[str]:
    chosen: dict[str, str] = {}
    for each in newest_first:
        day = datetime.datetime.fromtimestamp(each.moment_ms / 1000, datetime.UTC).date()
        if len(chosen) < count or period_of(day) in chosen:
            chosen.setdefault(period_of(day), each.name)
    return set(chosen.values())
