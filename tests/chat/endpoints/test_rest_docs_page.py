"""The page to try REST with: self-contained, and under a policy that forbids everything else."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from chat.endpoints.docs_page import CONTENT_SECURITY_POLICY, FOLDER
from chat.errors import CATALOGUE
from tests.acceptance.sdk import missing
from tests.chat.endpoints.rest_stand import Core, ask

PAGES = {
    "/docs": "text/html",
    "/docs/errors": "text/html",
    "/docs/app.js": "text/javascript",
    "/docs/style.css": "text/css",
}


@pytest.mark.parametrize(("path", "media_type"), PAGES.items())
async def test_every_part_is_served_without_a_token_and_under_the_strict_policy(
    core: Core, path: str, media_type: str
) -> None:
    answer = await ask(core, "GET", path, token=None)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_policy_allows_our_own_files_and_no_inline_code() -> None:
    rules = dict(rule.strip().partition(" ")[::2] for rule in CONTENT_SECURITY_POLICY.split(";"))

    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("path", ["/docs", "/docs/errors"])
async def test_a_page_has_nothing_that_the_policy_would_stop(core: Core, path: str) -> None:
    text = (await ask(core, "GET", path)).text

    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    for address in re.findall(r'(?:src|href)="([^"]+)"', text):
        assert not address.startswith(("http:", "https:", "//")), address


@pytest.mark.parametrize("path", ["/docs", "/docs/errors"])
async def test_every_address_on_a_page_is_served(core: Core, path: str) -> None:
    text = (await ask(core, "GET", path)).text

    for address in re.findall(r'(?:src|href)="([^"]+)"', text):
        if not address.startswith("data:"):
            parent = path.rpartition("/")[0]
            target = "/docs" if address == "../docs" else f"{parent}/{address}"
            assert (await ask(core, "GET", target)).status_code == 200, target


async def test_every_error_of_the_catalogue_is_explained_where_problems_point_to(core: Core) -> None:
    text = (await ask(core, "GET", "/docs/errors")).text

    for problem in CATALOGUE:
        assert f'<tr id="{problem.name}">' in text


def test_the_script_puts_nothing_into_the_page_as_markup() -> None:
    script = (FOLDER / "app.js").read_text()

    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script
    )


def test_the_script_is_well_formed() -> None:
    node = shutil.which("node")
    if node is None:
        missing("node is not installed: the script of /docs is not checked")

    assert node is not None
    subprocess.run([node, "--check", FOLDER / "app.js"], check=True)
