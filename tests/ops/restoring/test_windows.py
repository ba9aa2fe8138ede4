"""What can be restored, told from the files of a replica."""

from __future__ import annotations

from ops.restoring import gaps
from ops.restoring.litestream import Ltx
from ops.restoring.windows import _holes

S = 1000


def ltx(level: int, first: int, last: int, at_s: int) -> Ltx:
    return Ltx(level, first, last, 100, at_s * S)


WHOLE = [
    ltx(9, 1, 10, 10),
    ltx(9, 1, 40, 40),
    ltx(2, 5, 30, 30),
    ltx(1, 31, 38, 38),
    ltx(1, 39, 44, 44),
    ltx(0, 43, 43, 43),
    ltx(0, 44, 44, 44),
    ltx(0, 45, 45, 45),
]


def test_levels_that_overlap_have_no_hole() -> None:
    assert _holes(WHOLE) == []
    assert gaps.missing_after(WHOLE, [WHOLE[0], WHOLE[2]], 35 * S) is None


def test_a_part_that_no_chain_leads_to_is_no_moment() -> None:
    reached = {(file.first, file.last) for file in gaps.reachable(WHOLE)}
    assert (43, 43) not in reached
    assert (45, 45) in reached


def test_a_hole_is_found_though_a_later_whole_copy_covers_it() -> None:
    holed = [file for file in WHOLE if file.last != 38]
    (hole,) = _holes(holed)
    assert (hole.first, hole.last, hole.after_ms, hole.until_ms) == (31, 38, 30 * S, 44 * S)
    assert gaps.missing_after(holed, [holed[0], ltx(2, 5, 30, 30)], 50 * S) is not None


def test_a_plan_that_jumps_is_found() -> None:
    jumping = [ltx(9, 1, 10, 10), ltx(1, 31, 38, 38)]
    assert gaps.missing_after(WHOLE, jumping, None) == jumping[1]


def test_what_may_be_of_later_in_the_same_second_is_no_hole() -> None:
    assert gaps.missing_after(WHOLE, WHOLE[:3], 38 * S + 500) is None
