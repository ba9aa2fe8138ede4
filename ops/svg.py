"""SVG: small plots written by hand, points or lines or bars over time, that any browser shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import msgspec

WIDTH = 900
ROW_HEIGHT = 110
LEFT, RIGHT, TOP, BOTTOM = 150, 30, 40, 40
COLOURS = ("#2563eb", "#d97706", "#059669", "#7c3aed", "#db2777", "#475569")
TICKS = 5
MS = 1000


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a plot: values over time, in Unix milliseconds; `style` is points, line or bars.

    `marks` are times drawn as upright lines, `spans` times from and to drawn as red stripes.
    """

    name: str
    points: Sequence[tuple[int, float]]
    style: str = "line"
    unit: str = ""
    marks: Sequence[int] = ()
    spans: Sequence[tuple[int, int]] = ()


def plot(title: str, rows: Sequence[Series]) -> str:
    """Draw rows of one time axis, one below the other."""
    times = [at for row in rows for at, _ in row.points] + [at for row in rows for at in row.marks]
    first, last = (min(times), max(times)) if times else (0, 1)
    axis = _Axis(first, max(last, first + 1))
    height = TOP + ROW_HEIGHT * max(1, len(rows)) + BOTTOM
    body = [_text(LEFT, TOP - 16, title, size=16)]
    for number, row in enumerate(rows):
        body += _row(row, axis, TOP + ROW_HEIGHT * number, COLOURS[number % len(COLOURS)])
    body += _ticks(axis, TOP + ROW_HEIGHT * max(1, len(rows)))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, f'<rect width="{WIDTH}" height="{height}" fill="white"/>', *body, "</svg>", ""])


class _Axis(msgspec.Struct, frozen=True):
    """Time along the width."""

    first: int
    last: int

    def x(self, at_ms: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at_ms - self.first) / (self.last - self.first)


def _row(row: Series, axis: _Axis, top: int, colour: str) -> list[str]:
    high = max((value for _, value in row.points), default=0) or 1
    bottom, room = top + ROW_HEIGHT - 22, ROW_HEIGHT - 34
    places = [(axis.x(at), bottom - room * value / high) for at, value in row.points]
    drawn = [_line(LEFT, bottom, WIDTH - RIGHT, bottom, "#cbd5e1")]
    drawn += [
        _text(8, bottom - room / 2, row.name),
        _text(8, bottom - room / 2 + 16, f"≤ {high:g} {row.unit}", "#64748b"),
    ]
    for start, end in row.spans:
        x = axis.x(start)
        drawn.append(
            f'<rect x="{x:.1f}" y="{top}" width="{max(2.0, axis.x(end) - x):.1f}" height="{bottom - top}" '
            'fill="#fecaca"/>'
        )
    drawn += [_line(axis.x(at), top + 4, axis.x(at), bottom, "#94a3b8") for at in row.marks]
    return drawn + _shapes(row.style, places, bottom, colour)


def _shapes(style: str, places: Sequence[tuple[float, float]], bottom: float, colour: str) -> list[str]:
    if style == "line" and len(places) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>']
    if style == "bars":
        return [
            f'<rect x="{x - 2:.1f}" y="{y:.1f}" width="4" height="{bottom - y:.1f}" fill="{colour}"/>'
            for x, y in places
        ]
    return [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places]


def _ticks(axis: _Axis, y: float) -> list[str]:
    step = (axis.last - axis.first) / (TICKS - 1)
    times = [axis.first + round(step * number) for number in range(TICKS)]
    return [
        _text(axis.x(at) - 40, y + 14, f"{datetime.fromtimestamp(at / MS, UTC):%m-%d %H:%M:%S}")
        for at in times
    ]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, content: str, colour: str = "#0f172a", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}">{escape(content)}</text>'
