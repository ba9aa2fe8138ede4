from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from chat.replication import STARTING, Replica, ReplicationReport
from ops.metrics import OUTCOMES, CopyGauges, FileGauges, Gauges, Metrics

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"
REPLICA = Replica(file="main.db", state=STARTING, since_ms=0, target="")
GAUGES = Gauges(
    connections=0,
    subscriptions=0,
    write_queue_depth=0,
    files={"main.db": FileGauges(0, 0, True, 1)},
    replication=ReplicationReport(on=True, files=[REPLICA]),
    copies={"main.db": CopyGauges(True, 0)},
)
SERIES = ("_bucket", "_count", "_sum")

_ROW = re.compile(r"^\| `(?P<name>palaver_\w+)` \| (?P<kind>\w+) \| (?P<labels>[^|]*)\|", re.MULTILINE)

Described = dict[str, tuple[str, frozenset[str]]]


def on_the_page() -> Described:
    return {
        row["name"]: (row["kind"], frozenset(re.findall(r"`(\w+)`", row["labels"])))
        for row in _ROW.finditer(PAGE.read_text(encoding="utf-8"))
    }


def in_the_code() -> Described:
    """Return type and labels of each metric by the name that one queries: counters end in _total."""
    _, text = Metrics("1", "3").exposition("", GAUGES)
    return {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            frozenset(label for sample in family.samples for label in sample.labels) - {"le"},
        )
        for family in text_string_to_metric_families(text.decode())
        if family.name.startswith("palaver_")
    }


def test_the_page_describes_every_metric_with_its_type_and_labels_and_no_other() -> None:
    assert on_the_page() == in_the_code()


def test_no_metric_is_described_twice() -> None:
    assert len(_ROW.findall(PAGE.read_text(encoding="utf-8"))) == len(on_the_page())


def test_every_expression_names_a_metric_that_there_is() -> None:
    named = set(re.findall(r"\bpalaver_[a-z_]+", PAGE.read_text(encoding="utf-8")))
    series = {
        name + ending for name, (kind, _) in in_the_code().items() if kind == "histogram" for ending in SERIES
    }

    assert named - {"palaver_"} <= set(in_the_code()) | series


def test_every_outcome_of_a_recovery_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8")

    for outcome in OUTCOMES:
        assert f"`{outcome}`" in text
