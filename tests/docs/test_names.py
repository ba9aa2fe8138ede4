"""What the documentation names is there: settings, commands and their options, targets of make, files."""

from __future__ import annotations

import re

import pytest

from chat.settings import PREFIX, knobs
from tests.docs.commands_reference import commands, options
from tests.docs.pages import PROJECT, name_of, pages, read

SETTING = re.compile(rf"\b{PREFIX}[A-Z_]*[A-Z]\b")
COMMAND = re.compile(r"(?:^|[`\s(]|bin/)palaver (?P<verb>[a-z]+)(?P<rest>[^`\n|#>]*)", re.MULTILINE)
IN_CODE = re.compile(r"```\w*\n(?P<block>.*?)^```|`(?P<inline>[^`\n]+)`", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"(?:^|[\s;&(])make (?P<target>[a-z][a-z-]*)", re.MULTILINE)
FILE = re.compile(r"\A(?:asgi\.py|(?:chat|storage|sql|ops|tests|benchmarks|migrations|docs)/[\w./-]*)\Z")
TEST = re.compile(r"\A(?P<file>tests/[\w/]+\.py)::(?P<name>test_\w+)\Z")
ROOT_OPTIONS = {"--help", "--version"}

TEXTS = [pytest.param(read(page), id=name_of(page)) for page in pages()]
DESCRIPTIONS = [text for text in TEXTS if text.id != "CONTRIBUTING.md"]
"""What tells how things are; the rules for contributors name files that need not be there."""


def code(text: str) -> list[str]:
    """Return what stands in code style, in blocks or in lines."""
    return [match["block"] or match["inline"] or "" for match in IN_CODE.finditer(text)]


@pytest.mark.parametrize("text", TEXTS)
def test_every_setting_that_a_page_names_is_there(text: str) -> None:
    known = {PREFIX + name.upper() for name in knobs()} | {"PALAVER_TOKEN"}
    assert set(SETTING.findall(text)) <= known


@pytest.mark.parametrize("text", TEXTS)
def test_every_command_that_a_page_names_is_there_with_its_options(text: str) -> None:
    known = commands()
    for piece in code(text):
        for match in COMMAND.finditer(piece):
            asked = [each for name, each in known.items() if name.split()[0] == match["verb"]]
            assert asked, match[0]
            named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", match["rest"]))
            assert named <= ROOT_OPTIONS.union(*map(options, asked)), match[0]


@pytest.mark.parametrize("text", TEXTS)
def test_every_target_of_make_that_a_page_names_is_there(text: str) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    known = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for piece in code(text):
        assert {match["target"] for match in MAKE.finditer(piece)} <= known


@pytest.mark.parametrize("text", DESCRIPTIONS)
def test_every_file_that_a_page_names_is_there(text: str) -> None:
    named = {piece for piece in code(text) if FILE.match(piece)}
    assert {name for name in named if not (PROJECT / name).exists()} == set()


def test_the_readme_names_every_command() -> None:
    text = read(PROJECT / "README.md")
    assert [verb for verb in commands() if f"`palaver {verb}" not in text] == []


def test_what_is_not_there_would_be_noticed() -> None:
    named = [match for piece in code("`palaver serve --fast`") for match in COMMAND.finditer(piece)]
    assert [match["verb"] for match in named] == ["serve"]
    assert "--fast" in named[0]["rest"]
    assert "--fast" not in options(commands()["serve"])
    assert SETTING.findall("PALAVER_NOTHING_HERE=1") == ["PALAVER_NOTHING_HERE"]


@pytest.mark.parametrize("text", DESCRIPTIONS)
def test_every_test_that_a_page_names_is_there(text: str) -> None:
    named = [match for piece in code(text) if (match := TEST.match(piece))]
    for match in named:
        file = PROJECT / match["file"]
        assert file.exists(), match[0]
        assert re.search(
            rf"^(async )?def {match['name']}\(", file.read_text(encoding="utf-8"), re.MULTILINE
        ), match[0]
