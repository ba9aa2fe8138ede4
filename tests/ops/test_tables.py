"""What commands draw for people: nothing that is needed next is cut off, however narrow the terminal."""

from __future__ import annotations

import pytest
from rich.console import Console

from ops import drill_table, snapshots
from ops.console import COLUMNS_ELSEWHERE, console
from ops.drilling.record import FAIL, LATEST, Drill, Part
from ops.restoring.windows import Window

NOVEMBER_MS = 1_795_397_113_000


def test_a_pipe_is_wide_and_a_terminal_is_as_wide_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console().width == COLUMNS_ELSEWHERE
    monkeypatch.setenv("COLUMNS", "100")
    assert console().width == 100


def test_a_failure_is_told_whole_where_the_table_has_no_room(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(drill_table, "console", lambda: Console(width=80))
    part = Part(file="main.db", moment=LATEST, outcome=FAIL, reason="[3] events are others than they were")
    drill_table.show(Drill(began_ms=NOVEMBER_MS, took_ms=9, outcome=FAIL, version="1", parts=(part,)))
    assert "main.db: [3] events are others than they were\n" in capsys.readouterr().out


def test_the_dates_of_a_window_are_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(snapshots, "console", lambda: Console(width=80))
    window = Window(
        file="main.db",
        oldest_ms=NOVEMBER_MS,
        newest_ms=NOVEMBER_MS,
        guaranteed_ms=NOVEMBER_MS,
        size_bytes=1,
        files=1,
        snapshots=(NOVEMBER_MS,),
        moments=(NOVEMBER_MS,),
        holes=(),
    )
    snapshots._show("data/replica", [window])
    assert capsys.readouterr().out.count("2026-11-23") == 3
