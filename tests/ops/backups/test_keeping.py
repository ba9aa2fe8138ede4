from __future__ import annotations

from ops.backups.keeping import Keep, expired
from ops.backups.manifest import Manifest

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
NOW_MS = 1_800_000_000_000  # a Friday, 08:00 UTC


def backup(age_ms: int, *, kept: bool = False) -> Manifest:
    return Manifest(
        name=f"{age_ms / DAY_MS:g} days old",
        moment_ms=NOW_MS - age_ms,
        took_ms=1,
        version="1",
        sqlite="3",
        files=(),
        kept=kept,
    )


def staying(backups: list[Manifest], keep: Keep) -> list[str]:
    leaving = {each.name for each in expired(backups, keep)}
    return [each.name for each in backups if each.name not in leaving]


def test_all_of_the_last_two_days_stay() -> None:
    hourly = [backup(hours * HOUR_MS) for hours in range(47)]

    assert expired(hourly, Keep(1, 0, 0)) == []


def test_of_older_days_the_newest_backup_of_each_stays() -> None:
    twice_a_day = [backup(0)]
    twice_a_day += [backup(days * DAY_MS + later) for days in range(3, 10) for later in (0, HOUR_MS)]

    assert staying(twice_a_day, Keep(3, 0, 0)) == ["0 days old", "3 days old", "4 days old"]


def test_a_year_of_daily_backups_leaves_days_weeks_and_months() -> None:
    year = [backup(days * DAY_MS) for days in range(365)]

    kept = [round(float(name.split()[0])) for name in staying(year, Keep(7, 4, 6))]

    # From Friday 2027-01-15 backwards: a week of days, the Sundays 5, 12 and 19 days ago, the ends of the months.
    assert kept == [0, 1, 2, 3, 4, 5, 6, 12, 15, 19, 46, 76, 107, 137]


def test_days_without_a_backup_do_not_count() -> None:
    assert expired([backup(days * DAY_MS) for days in (0, 100, 200)], Keep(3, 0, 0)) == []


def test_a_timer_that_stopped_long_ago_removes_nothing() -> None:
    old = [backup(days * DAY_MS) for days in range(300, 303)]

    assert expired(old, Keep(3, 0, 0)) == []


def test_what_is_kept_for_ever_stays() -> None:
    backups = [backup(0), backup(100 * DAY_MS, kept=True), backup(101 * DAY_MS)]

    assert [each.name for each in expired(backups, Keep(1, 0, 0))] == ["101 days old"]


def test_with_all_counts_0_everything_stays() -> None:
    assert expired([backup(days * DAY_MS) for days in range(50)], Keep(0, 0, 0)) == []


def test_without_a_backup_nothing_leaves() -> None:
    assert expired([], Keep(1, 1, 1)) == []
