"""Attacks by scripts: markup in whatever a user may write comes back as the same text, and as nothing to run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.support.raw_http import ask
from tests.support.rest import RestClient
from tests.support.scene import Scene

Json = dict[str, Any]
SCRIPTS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "</title></style></script><script>alert(1)</script>",
    "{{constructor.constructor('alert(1)')()}}",
    '=HYPERLINK("http://evil.example")',
    "\u2028alert(1)\u2029",
    "<!--<script>",
    "&lt;script&gt;",
]
RUNNABLE = ("html", "javascript", "xml", "svg", "css")


@pytest.fixture
async def mallory(scene: Scene) -> AsyncIterator[RestClient]:
    async with RestClient(scene.server.url, scene.token("mallory")) as rest:
        yield rest


def assert_inert(answer: httpx2.Response) -> None:
    """What a user wrote is data to every browser: its type says so, and nothing may be guessed or loaded."""
    media_type = answer.headers["content-type"]
    assert media_type in ("application/json", "application/problem+json"), media_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("script", SCRIPTS, ids=ascii)
async def test_a_script_is_stored_as_text_and_served_as_data(
    scene: Scene, mallory: RestClient, script: str
) -> None:
    fields: Json = {"title": script, "metadata": {script: script}}
    here = await mallory.create_conversation(script, key=None, **fields)
    draft: Json = {"metadata": {script: [script]}, "attachments": [{"name": script}]}
    await mallory.send(here, script, script, **draft)
    await mallory.edit(here, 1, script + script)
    at = f"/v1/conversations/{here}"

    shown = {
        place: await mallory.http.get(at + place)
        for place in ("", "/members", "/messages", "/messages/1", "/events", "/presence")
    }
    shown["all"] = await mallory.http.get("/v1/conversations", headers={"Accept": "text/html"})

    for answer in shown.values():
        assert answer.status_code == 200
        assert_inert(answer)
    message = shown["/messages/1"].json()
    assert (message["content"], message["client_message_id"]) == (script + script, script)
    assert (message["metadata"], message["attachments"]) == ({script: [script]}, [{"name": script}])
    assert (shown[""].json()["title"], shown[""].json()["metadata"]) == (script, {script: script})
    assert script in [member["user"] for member in shown["/members"].json()["items"]]


@pytest.mark.parametrize("script", SCRIPTS, ids=ascii)
async def test_a_refusal_is_data_too_and_repeats_no_script(mallory: RestClient, script: str) -> None:
    headers = {"Idempotency-Key": "k", "Accept": "text/html", "X-Request-Id": script.encode().hex()}
    answers = [
        await mallory.http.get(f"/v1/{script}", headers=headers),
        await mallory.http.get(f"/v1/conversations/{script}", headers=headers),
        await mallory.http.get("/v1/conversations", params={"cursor": script, "limit": script}),
        await mallory.http.post("/v1/conversations", json={"kind": script}),
        await mallory.http.post("/v1/conversations", json={"members": script}),
        await mallory.http.post(
            "/v1/conversations", content=script, headers={"Content-Type": "application/json"}
        ),
        await mallory.http.post("/v1/conversations", content=script, headers={"Content-Type": "text/html"}),
        await mallory.http.get(
            "/v1/conversations", headers={"Authorization": f"Bearer {script.encode().hex()}"}
        ),
    ]

    for answer in answers:
        assert 400 <= answer.status_code < 500
        assert_inert(answer)
        assert script not in answer.text, answer.text


@pytest.mark.parametrize("path", ["/docs", "/docs/errors", "/docs/app.js", "/docs/style.css"])
async def test_only_pages_of_our_own_run_scripts_and_only_our_own(scene: Scene, path: str) -> None:
    answer = await ask(scene.server.port, "GET", f"{path}?q=<script>alert(1)</script>")
    head = answer.head.decode().lower()

    assert answer.status == 200
    assert b"alert(1)" not in answer.body
    assert "x-content-type-options: nosniff" in head
    (policy,) = [line for line in head.split("\r\n") if line.startswith("content-security-policy:")]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


async def test_no_answer_but_a_page_of_our_own_could_be_run(scene: Scene, mallory: RestClient) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/openapi.json", "/v1/conversations", "/nowhere"):
        answer = await mallory.http.get(path, headers={"Accept": "text/html,application/xhtml+xml"})
        assert not any(word in answer.headers["content-type"] for word in RUNNABLE), path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "'none'" in answer.headers["content-security-policy"]


async def test_a_header_cannot_be_split_by_what_a_user_wrote(scene: Scene, mallory: RestClient) -> None:
    here = await mallory.create_conversation(title="x\r\nSet-Cookie: evil=1")
    await mallory.send(here, "x\r\nSet-Cookie: evil=1")
    split = "%0d%0aSet-Cookie:%20evil=1"
    token = f"Authorization: Bearer {scene.token('mallory')}"

    for target in (
        f"/v1/conversations/{here}",
        f"/v1/conversations/{here}/messages?limit=1",
        f"/v1/conversations?limit=1&kind={split}",
        f"/v1/conversations/{here}/messages?limit=1&x={split}",
        f"/v1/conversations/{split}",
        f"/{split}",
    ):
        answer = await ask(scene.server.port, "GET", target, token, f"X-Request-Id: {split}")
        assert b"set-cookie" not in answer.head.lower(), target
