"""How each server is spoken to: a table of dialects by name."""

from __future__ import annotations

from benchmarks.dialects.dialect import Dialect
from benchmarks.dialects.naive import Naive
from benchmarks.dialects.palaver import Palaver, PalaverReplicated

DIALECTS: dict[str, type[Dialect]] = {
    "palaver": Palaver,
    "naive": Naive,
    "palaver_replicated": PalaverReplicated,
}
