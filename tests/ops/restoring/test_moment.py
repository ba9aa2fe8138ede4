"""Moments as people write them."""

from __future__ import annotations

import pytest

from ops.restoring import moment
from ops.restoring.refusal import Refused

NOW_MS = 1_795_356_180_500  # 2026-11-22T14:03:00.500Z


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-22T14:03Z", "2026-11-22T14:03:00.000Z"),
        ("2026-11-22T14:03", "2026-11-22T14:03:00.000Z"),
        ("2026-11-22 14:03:07.25", "2026-11-22T14:03:07.250Z"),
        ("2026-11-22T15:03+01:00", "2026-11-22T14:03:00.000Z"),
        ("2026-11-22", "2026-11-22T00:00:00.000Z"),
        ("14:02", "2026-11-22T14:02:00.000Z"),
        ("9:05", "2026-11-22T09:05:00.000Z"),
        ("-10m", "2026-11-22T13:53:00.500Z"),
        ("-90s", "2026-11-22T14:01:30.500Z"),
    ],
)
def test_a_moment_is_read(text: str, at: str) -> None:
    assert moment.iso(moment.parse(text, NOW_MS)) == at


@pytest.mark.parametrize("text", ["", "yesterday", "14", "25:00", "2026-13-01", "-10", "-10y", "10m"])
def test_what_is_no_moment_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(Refused, match="2026-11-22T14:03Z"):
        moment.parse(text, NOW_MS)


def test_a_span_is_written_in_its_two_largest_units() -> None:
    spans = [moment.span(ms) for ms in (0, 250, 61_000, 3_600_000, 93_784_000)]
    assert spans == ["0 ms", "250 ms", "1 m 1 s", "1 h", "1 d 2 h"]
