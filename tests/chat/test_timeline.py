"""The rule of the timeline, case by case."""

from __future__ import annotations

import pytest

from chat.models import RowId
from chat.timeline import RESTORE, START, SWAPPED, UNCLEAN, Claim, Footing, Generation, Timeline


def timeline(*kinds: str, refusing: int | None = None) -> Timeline:
    return Timeline(
        [
            Generation(
                number=number,
                epoch=f"e{number}",
                kind=kind,
                since_ms=number,
                cause="test",
                replays="refuse" if number == refusing else "accept",
            )
            for number, kind in enumerate(kinds, start=1)
        ]
    )


def test_a_client_without_seen_goes_on_over_plain_restarts() -> None:
    past = timeline(START, START, START)
    assert past.recovers(Claim("e1", 5), Footing(1, 9, anchor_generation=1))


@pytest.mark.parametrize("kind", [RESTORE, SWAPPED, UNCLEAN])
def test_a_client_without_seen_reloads_after_anything_but_a_restart(kind: str) -> None:
    past = timeline(START, kind, START)
    assert not past.recovers(Claim("e1", 5), Footing(1, 9, anchor_generation=1))
    assert past.recovers(Claim("e2", 5), Footing(1, 9, anchor_generation=1))


def test_an_unknown_epoch_reloads() -> None:
    assert not timeline(START).recovers(Claim("_", 0), Footing(1, 0, None))
    assert not timeline(START).recovers(Claim("", 3), Footing(1, 9, anchor_generation=1))


def test_an_empty_epoch_at_zero_recovers_from_the_beginning_unless_it_was_purged() -> None:
    assert timeline(START, RESTORE).recovers(Claim("", 0), Footing(1, 9, None))
    assert not timeline(START).recovers(Claim("", 0), Footing(4, 9, None))


def test_a_position_beyond_the_top_reloads() -> None:
    assert not timeline(START).recovers(Claim("e1", 10), Footing(1, 9, None))


def test_a_position_whose_row_is_younger_than_its_epoch_reloads() -> None:
    assert not timeline(START, START).recovers(Claim("e1", 5), Footing(1, 9, anchor_generation=2))


def test_a_position_whose_row_was_purged_reloads() -> None:
    assert not timeline(START).recovers(Claim("e1", 3), Footing(4, 9, anchor_generation=None))


def test_a_client_with_seen_goes_on_over_a_restore_if_its_newest_row_stands() -> None:
    past = timeline(START, RESTORE, START)
    assert past.recovers(Claim("gone", 3, RowId(5, "e1")), Footing(1, 9, anchor_generation=1))


def test_a_client_with_seen_reloads_if_its_newest_row_is_another_or_missing() -> None:
    past = timeline(START, RESTORE)
    assert not past.recovers(Claim("e1", 3, RowId(5, "e1")), Footing(1, 9, anchor_generation=2))
    assert not past.recovers(Claim("e1", 3, RowId(5, "gone")), Footing(1, 9, anchor_generation=1))
    assert not past.recovers(Claim("e1", 3, RowId(50, "e1")), Footing(1, 9, anchor_generation=None))


def test_missing_never_equals_missing() -> None:
    assert not timeline(START).recovers(Claim("e1", 0, RowId(5, "")), Footing(1, 9, anchor_generation=None))


def test_seen_bounds_the_position_from_both_sides() -> None:
    past, seen = timeline(START), RowId(5, "e1")
    assert past.recovers(Claim("e1", 5, seen), Footing(3, 9, anchor_generation=1))
    assert past.recovers(Claim("e1", 2, seen), Footing(3, 9, anchor_generation=1))
    assert not past.recovers(Claim("e1", 1, seen), Footing(3, 9, anchor_generation=1))
    assert not past.recovers(Claim("e1", 6, seen), Footing(3, 9, anchor_generation=1))


def test_nothing_seen_yet_recovers_only_from_the_very_beginning() -> None:
    past, nothing = timeline(START, RESTORE), RowId(0, "")
    assert past.recovers(Claim("", 0, nothing), Footing(1, 9, None))
    assert not past.recovers(Claim("", 1, nothing), Footing(1, 9, None))
    assert not past.recovers(Claim("", 0, nothing), Footing(2, 9, None))
    assert not past.recovers(Claim("", 0, RowId(0, "e1")), Footing(1, 9, None))


def test_replays_are_taken_until_a_rewind_refuses_them() -> None:
    past = timeline(START, RESTORE, START, refusing=2)
    assert past.refuses_replay("e1")
    assert past.refuses_replay("abandoned")
    assert not past.refuses_replay("e2")
    assert not past.refuses_replay("e3")
    assert not past.refuses_replay(None)
    assert not timeline(START, RESTORE).refuses_replay("e1")
