from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from ops.drilling import record
from ops.drilling.record import Drill, History, Outcome, Part, judged
from ops.drilling.report import draw


def part(outcome: Outcome, **fields: int) -> Part:
    return Part(file="main.db", moment="latest", outcome=outcome, **fields)  # type: ignore[arg-type]


def drill(outcome: Outcome = "pass", began_ms: int = 1_800_000_000_000, lag_ms: int = 5) -> Drill:
    parts = (part(outcome, restore_ms=200, check_ms=100, size_bytes=4096),)
    return Drill(
        began_ms=began_ms,
        took_ms=400,
        outcome=outcome,
        version="1",
        parts=parts,
        lag_ms=lag_ms,
        reason="<why> & so",
    )


@pytest.mark.parametrize(
    ("outcomes", "all_together"),
    [
        (["pass", "pass"], "pass"),
        (["pass", "inconclusive"], "inconclusive"),
        (["inconclusive", "fail", "pass"], "fail"),
        ([], "inconclusive"),
    ],
)
def test_a_drill_is_as_good_as_its_worst_part(outcomes: list[Outcome], all_together: Outcome) -> None:
    assert judged(tuple(part(outcome) for outcome in outcomes)) == all_together


def test_the_history_keeps_what_was_added(tmp_path: Path) -> None:
    history = History(tmp_path)
    assert (history.drills(), history.last_verified_ms()) == ([], 0)

    history.add(drill())
    history.add(drill("fail", began_ms=1_900_000_000_000))

    assert [each.outcome for each in history.drills()] == ["pass", "fail"]
    assert history.last_verified_ms() == 1_800_000_000_000


def test_a_line_that_a_crash_has_torn_costs_only_itself(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add(drill())
    with history.file.open("ab") as file:
        file.write(b'{"began_ms":')

    history.add(drill("fail"))

    assert [each.outcome for each in history.drills()] == ["pass", "fail"]


def test_the_history_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "DRILLS_MAX", 10)
    history = History(tmp_path)

    for number in range(25):
        history.add(drill(began_ms=number))

    kept = [each.began_ms for each in history.drills()]
    assert len(kept) <= 10
    assert kept == list(range(kept[0], 25))


def test_the_report_is_a_picture_of_all_drills_with_a_stripe_for_each_that_failed() -> None:
    good = [drill(began_ms=day * 86_400_000) for day in range(20_000, 20_089)]
    unsure = drill("inconclusive", began_ms=20_089 * 86_400_000)
    bad = drill("fail", began_ms=20_090 * 86_400_000)

    picture = draw([*good, unsure, bad])

    ElementTree.fromstring(picture)  # noqa: S314, our own text
    assert "91 drills, 2024-10-04 to 2025-01-02: 89 passed, 1 failed, 1 inconclusive" in picture
    assert picture.count("<polyline") == 3
    assert picture.count("#fecaca") == 3
    for row in ("lag", "restored in", "size"):
        assert f">{row}<" in picture


def test_a_report_of_one_drill_of_nothing_is_drawn_too() -> None:
    nothing = Drill(began_ms=0, took_ms=0, outcome="inconclusive", version="1", parts=())

    ElementTree.fromstring(draw([nothing]))  # noqa: S314, our own text


def test_without_drills_there_is_no_report() -> None:
    with pytest.raises(ValueError, match="nothing"):
        draw([])
