from __future__ import annotations

from pathlib import Path

from chat.settings import PREFIX, described, knobs
from tests.docs.settings_reference import COMMAND, groups, page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "settings.md"


def test_the_reference_of_settings_says_what_the_code_says() -> None:
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""

    assert written == page(), f"the page is behind the code; write it anew:\n  {COMMAND}"


def test_every_setting_stands_in_a_group_once() -> None:
    assert [name for names in groups().values() for name in names] == list(knobs())


def test_every_setting_has_its_row() -> None:
    rows = [line for line in page().splitlines() if line.startswith(f"| `{PREFIX}")]

    assert len(rows) == len(knobs())


def test_every_setting_has_a_unit_and_a_sentence() -> None:
    for name, hint in knobs().items():
        _, meta = described(hint)
        assert (meta.extra or {}).get("unit"), name
        assert (meta.description or "").endswith("."), name
