"""The files for systemd, Docker, Prometheus and Grafana name commands, settings and metrics that there are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from chat.replication import REPLICATING, STARTING, STATES
from chat.settings import PREFIX, knobs
from tests.docs.commands_reference import commands, options
from tests.docs.pages import anchors, read
from tests.docs.test_metrics_reference import SERIES, in_the_code
from tests.support.server import palaver

PROJECT = Path(__file__).resolve().parents[2]
UNITS = sorted((PROJECT / "ops" / "systemd").iterdir())
RULES = sorted((PROJECT / "ops" / "prometheus").glob("*.yaml"))
DASHBOARD = PROJECT / "ops" / "grafana" / "palaver.json"
DOCKER = PROJECT / "ops" / "docker"
ALARM_S = 30
INSTALLED = "/opt/palaver/.venv/bin/palaver"


def metrics() -> set[str]:
    """Return every name that an expression may use."""
    known = in_the_code()
    series = {name + end for name, (kind, _) in known.items() if kind == "histogram" for end in SERIES}
    return set(known) | series


def named(expression: str) -> set[str]:
    return set(re.findall(r"\bpalaver_\w+", expression))


def alerts() -> list[Any]:
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here")
    program = palaver("serve")[0]
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(INSTALLED, program))

    done = subprocess.run(
        [analyze, "verify", *map(str, sorted(tmp_path.iterdir()))], capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name
)
def test_a_unit_runs_a_command_that_there_is(unit: Path) -> None:
    (line,) = re.findall(r"^ExecStart=(.+)$", unit.read_text(), re.MULTILINE)
    program, verb, *given = line.split()

    assert program == INSTALLED
    assert set(given) <= options(commands()[verb])


def test_the_command_has_the_settings_of_the_service_and_what_stands_before_it_wins(tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    shown.write_text('#!/bin/sh\nenv | grep ^PALAVER_ | sort\nprintf "<%s>" "$@"\n')
    shown.chmod(0o755)
    (tmp_path / "palaver.env").write_text(
        "PALAVER_PORT=8001\nPALAVER_REPLICA='s3://bucket/a b'\nPALAVER_READERS=2\n# the end\n"
    )
    text = (PROJECT / "ops" / "palaver.sh").read_text()
    command = tmp_path / "palaver"
    command.write_text(
        text.replace(INSTALLED, str(shown)).replace("/etc/palaver/palaver.env", str(tmp_path / "palaver.env"))
    )
    command.chmod(0o755)

    done = subprocess.run(
        [command, "backup", "--to", "/a b"],
        env={"PATH": os.environ["PATH"], "PALAVER_PORT": "9", "PALAVER_READERS": "it's"},
        capture_output=True,
        text=True,
    )

    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.splitlines() == [
        "PALAVER_DATA=/var/lib/palaver",
        "PALAVER_PORT=9",
        "PALAVER_READERS=it's",
        "PALAVER_REPLICA=s3://bucket/a b",
        "<backup><--to></a b>",
    ]


def test_the_command_and_the_units_name_the_same_places() -> None:
    command = (PROJECT / "ops" / "palaver.sh").read_text()
    unit = (PROJECT / "ops" / "systemd" / "palaver.service").read_text()

    for name in (INSTALLED, "PALAVER_DATA=/var/lib/palaver", "/etc/palaver/palaver.env"):
        assert name in command
        assert name in unit


def test_every_timer_has_its_service_and_comes_again() -> None:
    timers = [unit for unit in UNITS if unit.suffix == ".timer"]

    assert len(timers) == 3
    for timer in timers:
        assert timer.with_suffix(".service").exists()
        assert "Persistent=yes" in timer.read_text()


def test_a_stop_tells_the_server_first_and_litestream_by_the_server() -> None:
    for name in ("palaver.service", "palaver-replicate.service"):
        assert "KillMode=mixed" in (PROJECT / "ops" / "systemd" / name).read_text()


@pytest.mark.parametrize("file", [*UNITS, *DOCKER.iterdir()], ids=lambda file: file.name)
def test_every_setting_that_a_file_names_is_there(file: Path) -> None:
    known = {PREFIX + name.upper() for name in knobs()}

    assert set(re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b", file.read_text())) <= known


def test_the_image_copies_what_the_build_needs_and_its_ignore_file_lets_it_through() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    copied = {word for line in re.findall(r"^COPY (?!--)(.+)$", text, re.M) for word in line.split()[:-1]}
    allowed = {
        line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    }

    assert copied == allowed
    assert all((PROJECT / name).exists() for name in copied)
    assert "--require-hashes" in text


def test_the_compose_file_starts_palaver_after_its_bucket_is_made() -> None:
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]

    assert services["chat"]["depends_on"] == {"bucket": {"condition": "service_completed_successfully"}}
    assert services["chat"]["ports"] == ["127.0.0.1:8000:8000"]
    build = services["chat"]["build"]
    assert (DOCKER / build["context"]).resolve() == PROJECT
    assert (PROJECT / build["dockerfile"]).exists()
    for service in services.values():
        assert "build" in service or re.search(r":\d", service["image"])


def test_every_alarm_is_about_a_metric_that_there_is() -> None:
    for rule in alerts():
        assert named(rule["expr"]) <= metrics(), rule["alert"]


def seconds(written: str) -> int:
    return int(written[:-1]) * {"s": 1, "m": 60, "h": 3600}[written[-1]]


def test_what_the_metrics_tell_of_copies_and_writes_alarms_within_30_s() -> None:
    (scraped,) = re.findall(r"scrape_interval: (\w+)", read(PROJECT / "docs" / "reference" / "metrics.md"))
    urgent = {"PalaverNotReplicating", "PalaverReplicationRefused", "PalaverCannotWrite", "PalaverWalGrows"}
    found = {}
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                if rule["alert"] in urgent:
                    # A sample that is seen at one scrape alone must not do: a state that ends by itself is no alarm.
                    assert seconds(rule["for"]) > seconds(scraped), rule["alert"]
                    found[rule["alert"]] = sum(map(seconds, (scraped, group["interval"], rule["for"])))
    assert set(found) == urgent
    assert max(found.values()) <= ALARM_S


def test_every_state_but_starting_and_replicating_alarms() -> None:
    alarming = {
        state
        for rule in alerts()
        for named_states in re.findall(r'palaver_replication_state\{state=~?"([a-z|]+)"\}', rule["expr"])
        for state in named_states.split("|")
    }
    assert alarming == set(STATES) - {STARTING, REPLICATING}


def test_every_alarm_has_a_name_of_its_own_and_leads_to_what_to_do() -> None:
    names = [rule["alert"] for rule in alerts()]

    assert len(names) == len(set(names))
    for rule in alerts():
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert anchor in anchors(read(PROJECT / page)), rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_every_alarm_of_the_page_is_among_the_rules() -> None:
    headings = re.findall(r"^## (Palaver\w+)$", read(PROJECT / "docs" / "how-to" / "alarms.md"), re.M)

    assert sorted(headings) == sorted(rule["alert"] for rule in alerts())


def test_the_dashboard_shows_metrics_that_there_are_and_no_panel_lies_on_another() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]

    expressions = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert set().union(*map(named, expressions)) <= metrics()
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    taken = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
