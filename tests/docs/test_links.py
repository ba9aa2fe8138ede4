"""Every link of the documentation leads somewhere, and every page can be found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PROJECT, anchors, name_of, pages, prose, read

LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)\)")
ELSEWHERE = re.compile(r"\A[a-z]+://")


def links(page: Path) -> list[str]:
    """Return where the links of a page lead, inside the project."""
    text = re.sub(r"`[^`\n]*`", "", prose(read(page)).replace("`](", "]("))
    targets = [match["target"] for match in LINK.finditer(text)]
    return [target for target in targets if not ELSEWHERE.match(target)]


def is_broken(page: Path, target: str) -> bool:
    """Tell whether a link leads nowhere: no such file, or no such place in it."""
    place, _, anchor = target.partition("#")
    file = (page.parent / place).resolve() if place else page
    if not file.exists():
        return True
    return bool(anchor) and anchor not in anchors(read(file))


@pytest.mark.parametrize("page", [pytest.param(page, id=name_of(page)) for page in pages()])
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert [target for target in links(page) if is_broken(page, target)] == []


def test_the_links_are_found() -> None:
    assert len(links(PROJECT / "README.md")) > 20


def test_a_broken_link_is_noticed() -> None:
    page = PROJECT / "README.md"
    assert is_broken(page, "docs/nowhere.md")
    assert is_broken(page, "docs/index.md#nowhere")
    assert not is_broken(page, "docs/reference/errors.md#key_reused")


def test_the_index_leads_to_every_page() -> None:
    listed = {(DOCS / target.partition("#")[0]).resolve() for target in links(DOCS / "index.md")}
    assert [name_of(page) for page in pages() if page not in listed] == ["README.md", "docs/index.md"]
