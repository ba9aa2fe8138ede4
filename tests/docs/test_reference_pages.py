"""The reference pages say what the code says, and name the command that writes them anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat.errors import CATALOGUE, DISCONNECTS, UNSUBSCRIBES
from chat.models import Event
from chat.protocols.rpc import METHODS
from ops.serving.options import ServerOptions
from ops.tail.ending import ExitCode
from tests.docs.commands_reference import EXITS, commands
from tests.docs.errors_reference import ENDINGS, LEAVINGS, REMEDIES
from tests.docs.generated import COMMAND, filled, names
from tests.docs.pages import PROJECT, REFERENCE, read
from tests.docs.socket_reference import ANSWERS, EXAMPLES, notices
from tests.docs.write import MADE

PAGES = [pytest.param(page, id=page.stem) for page in MADE]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_the_code_says(page: Path) -> None:
    text = read(page)
    assert text == filled(text, MADE[page]()), f"the page is behind the code; write it anew:\n  {COMMAND}"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_every_part_once(page: Path) -> None:
    assert sorted(names(read(page))) == sorted(MADE[page]())


def test_a_part_that_is_behind_is_noticed() -> None:
    mark = "<!-- from the code: a -->\n\n{}\n\n<!-- end of a -->"
    assert filled(mark.format("old"), {"a": "new"}) == mark.format("new")


def test_every_error_and_every_ending_has_its_remedy_and_no_other() -> None:
    assert set(REMEDIES) == {problem.name for problem in CATALOGUE}
    assert set(ENDINGS) == {disconnect.code for disconnect in DISCONNECTS}
    assert set(LEAVINGS) == {unsubscribe.code for unsubscribe in UNSUBSCRIBES}


def test_every_command_has_its_exit_codes() -> None:
    assert set(EXITS) == set(commands())
    assert set(ExitCode) <= set(EXITS["tail"])


def test_every_kind_of_event_has_an_example() -> None:
    assert {type(event) for event in EXAMPLES} == set(Event.__subclasses__())


def test_every_method_has_an_answer() -> None:
    assert set(ANSWERS) == set(METHODS)


def test_a_notice_has_no_offset() -> None:
    assert len(notices()) == 3
    assert all(b'"offset"' not in notice for notice in notices())


def test_the_codes_of_the_websocket_layer_are_those_that_its_tests_meet() -> None:
    told = set(re.findall(r"^\| (1\d{3}) \|", read(REFERENCE / "errors.md"), re.MULTILINE))
    layer = (PROJECT / "tests" / "ops" / "serving" / "test_websocket_protocol.py").read_text()
    met = set(re.findall(r"close_code\(\) == (1\d{3})", layer))
    assert told == met == {"1002", "1007", "1008", "1009"}


def test_the_limits_that_are_told_of_the_websocket_layer_are_its_own() -> None:
    text = read(REFERENCE / "errors.md")
    options = ServerOptions()
    assert f"more than {options.fragments_max} fragments" in text
    assert f"by more than {options.message_margin_bytes // 1024} KiB" in text
