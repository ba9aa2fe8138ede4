"""Attacks on secrets: no token and no key is ever written down, shown, taken from an address, or left readable."""

from __future__ import annotations

import asyncio
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support import tokens
from tests.support.client import SocketClient
from tests.support.raw_http import ask
from tests.support.rest import RestClient
from tests.support.scene import Scene
from tests.support.server import Server, palaver

OWNER_ONLY, FOLDER_OWNER_ONLY = 0o600, 0o700
INVALID_TOKEN, UNAUTHORIZED = 3500, 401
PARAMETERS = ["token", "access_token", "jwt", "auth", "authorization", "key", "cf_token", "cf_connect"]
LOG_BYTES_MAX = 4_000_000
TEXT = "what alice tells bob alone"


def parts(token: str) -> list[bytes]:
    """Return what of a token must stand nowhere: claims and signature, apart."""
    return [part.encode() for part in token.split(".")[1:3]]


async def test_whatever_is_written_belongs_to_its_owner_alone(scene: Scene) -> None:
    folder = scene.server.data_dir
    async with RestClient(scene.server.url, scene.token("alice")) as rest:
        await rest.send(await rest.create_conversation("bob"), TEXT)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}

    assert {"main.db", "main.db-wal", "main.db-shm", "secret"} <= modes.keys()
    assert set(modes.values()) == {OWNER_ONLY}, modes
    assert stat.S_IMODE(folder.stat().st_mode) == FOLDER_OWNER_ONLY


async def test_no_log_shows_a_token_a_key_or_a_text(scene: Scene) -> None:
    good, expired = scene.token("alice"), scene.token("alice", "-1h")
    bad = good[:-6] + "AAAAAA"
    alice = await scene.enter("alice")
    conversation = await scene.converse(alice, "bob")
    await alice.send(conversation, "k", TEXT)
    await alice.command("refresh", {"token": good})
    alice.begin("subscribe", {"channel": good, "token": good}).add_done_callback(
        lambda done: done.exception()
    )
    for token in (bad, expired):
        socket = await scene.raw()
        await socket.say({"id": 1, "connect": {"token": token}}, f'{{"token":"{token}"')
    for token in (good, bad, expired):
        await _everywhere(scene.server, token)
    async with RestClient(scene.server.url, good) as rest:
        await rest.http.post(f"/v1/conversations/{conversation}/messages", json={"content": [TEXT, good]})
        await rest.http.get(f"/v1/conversations/{good}")
    await alice.command("ping", {})

    log = scene.server.log.read_bytes()

    assert b'"palaver.rest"' in log
    for token in (good, bad, expired):
        assert [part for part in parts(token) if part in log] == []
    assert tokens.secret(scene.server.data_dir).encode() not in log
    assert TEXT.encode() not in log


async def _everywhere(server: Server, token: str) -> None:
    """Put a token wherever a request can hold one."""
    headers = [
        f"Authorization: Bearer {token}",
        f"Authorization: {token}",
        f"Authorization: Basic {token}",
        f"Cookie: token={token}",
        f"X-Api-Key: {token}",
        f"X-Request-Id: {token}",
        f"Idempotency-Key: {token}",
        f"User-Agent: {token}",
        f"Origin: {token}",
        f"X-Forwarded-For: {token}",
        f"Sec-WebSocket-Protocol: {token}",
    ]
    for header in headers:
        await ask(server.port, "GET", "/v1/conversations", header)
    for target in (f"/v1/conversations?token={token}", f"/{token}", f"/v1/conversations/{token}"):
        await ask(server.port, "GET", target)
    await ask(server.port, token, "/")


async def test_no_refusal_repeats_a_token(scene: Scene) -> None:
    good = scene.token("alice")
    for token in (good, good[:-6] + "AAAAAA", scene.token("alice", "-1h"), f"{good}.x", good * 9):
        async with RestClient(scene.server.url, token) as rest:
            answers = [
                await rest.http.get(f"/v1/conversations/{token}"),
                await rest.http.post("/v1/conversations", json={"members": token, "kind": token}),
                await rest.http.post("/v1/conversations", json={}, headers={"Idempotency-Key": token}),
                await rest.http.get("/v1/conversations", params={"cursor": token}),
            ]
        for answer in answers:
            assert 400 <= answer.status_code < 500, answer.text
            shown = answer.content + str(answer.headers.raw).encode()
            assert [part for part in parts(token) if part in shown] == []
            assert tokens.secret(scene.server.data_dir) not in answer.text


async def test_no_process_list_shows_a_secret(scene: Scene) -> None:
    secret = tokens.secret(scene.server.data_dir)
    listed = await asyncio.to_thread(subprocess.run, ["ps", "axww", "-o", "args"], capture_output=True)
    command_line = Path(f"/proc/{scene.server.pid}/cmdline").read_bytes()

    for shown in (listed.stdout, command_line):
        assert b"palaver" in shown or b"ops.cli" in shown
        assert secret.encode() not in shown
        assert b"eyJ" not in shown


async def test_a_secret_of_the_environment_is_shown_by_no_door(tmp_path: Path) -> None:
    secret = "a-secret-that-only-the-environment-knows-0123456789"
    server = await Server.start(tmp_path / "data", jwt_secret=secret, log_level="debug")
    try:
        (server.data_dir / tokens.SECRET_FILE).write_text(secret)  # for the test's own tokens
        ops = server.token("olga", scope="ops")
        async with RestClient(server.url, ops) as rest:
            shown = [
                (await rest.http.get(path)).text
                for path in ("/v1/ops/status", "/metrics", "/readyz", "/livez", "/openapi.json", "/nowhere")
            ]
    finally:
        await server.close()
    for text in (*shown, server.tail(LOG_BYTES_MAX)):
        assert secret not in text
    assert ops not in "".join((*shown, server.tail(LOG_BYTES_MAX)))


async def test_a_setting_that_cannot_be_used_shows_no_secret(tmp_path: Path) -> None:
    weak = "too-short-secret"
    environment = {
        "PALAVER_DATA": str(tmp_path / "data"),
        "PALAVER_JWT_SECRET": weak,
        "PATH": "/usr/bin:/bin",
    }
    refused = await asyncio.to_thread(
        subprocess.run, palaver("token", "--user", "x"), env=environment, capture_output=True, text=True
    )

    assert refused.returncode != 0
    assert "secret of tokens" in refused.stderr
    assert weak not in refused.stdout + refused.stderr


@pytest.mark.parametrize("parameter", PARAMETERS)
async def test_a_token_in_an_address_lets_nobody_in(scene: Scene, parameter: str) -> None:
    token = scene.token("alice")
    rest = await ask(scene.server.port, "GET", f"/v1/conversations?{parameter}={token}")
    socket = SocketClient(f"{scene.server.ws_url}?{parameter}={token}", "")
    await socket.open()
    socket.begin("connect", {}).add_done_callback(lambda done: done.exception())

    assert rest.status == UNAUTHORIZED
    assert await socket.wait_closed() == INVALID_TOKEN


@pytest.mark.parametrize("header", ["Authorization", "Cookie", "X-Api-Key", "Sec-WebSocket-Protocol"])
async def test_a_token_beside_the_connect_command_lets_nobody_in(scene: Scene, header: str) -> None:
    token = scene.token("alice")
    value = {"Authorization": f"Bearer {token}", "Cookie": f"token={token}"}.get(header, token)
    socket = await scene.raw(additional_headers={header: value})
    await socket.say({"id": 1, "connect": {}})

    assert await socket.ended() == INVALID_TOKEN
