"""What the doctor says about a running server: each part that is not well comes with what to do."""

from __future__ import annotations

import pytest

from chat.health import PartHealth, together
from ops.examining.live import _parts


@pytest.mark.parametrize(
    ("part", "do"),
    [
        ("writer of main", "Make room"),
        ("timeline of main", "put the right moment back"),
        ("replication of persona_luna", "Mend what it names"),
        ("copies of main", "palaver replicate --anew"),
        ("WAL of main", "Look who reads"),
        ("readers of main", "End that process"),
        ("restore drill", "Run palaver drill"),
        ("something new", "Mend what it says"),
    ],
)
def test_each_part_that_is_not_well_comes_with_what_to_do(part: str, do: str) -> None:
    critical = part.startswith("writer")
    health = together([PartHealth(part, ok=False, reason="a reason", critical=critical)])
    _, finding = _parts("http://localhost", health)
    assert (finding.check, finding.what, finding.level) == (
        part,
        "a reason",
        "error" if critical else "warning",
    )
    assert do in finding.do
