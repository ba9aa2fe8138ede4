"""Who is measured: a table of sides by name, in the order of the table's columns."""

from __future__ import annotations

from benchmarks.sides.naive import NaiveSide
from benchmarks.sides.palaver import PalaverSide
from benchmarks.sides.raw import RawSide
from benchmarks.sides.side import Side

SIDES: dict[str, Side] = {"palaver": PalaverSide(), "naive": NaiveSide(), "raw": RawSide()}
