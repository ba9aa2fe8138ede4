from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from chat.errors import Unauthorized, Unavailable
from chat.keys import COOLDOWN_S, FRESH_S, STALE_S, PublishedKeys, key_sources, published_keys
from chat.settings import BadSetting, Settings
from tests.support.waiting import until

SHUTDOWN_POLL_S = 0.01
SECRET = b"a secret of tests that is long enough"
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Publisher:
    """Publishes keys by their names, and counts how often it was asked."""

    def __init__(self) -> None:
        self.keys: list[jwt.PyJWK] = []
        self.fetches = 0
        self.down = False
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self) -> list[jwt.PyJWK]:
        self.fetches += 1
        self.may_answer.wait()
        if self.down:
            raise OSError("no route to host")
        return self.keys


def published(kid: str, **fields: str) -> jwt.PyJWK:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return jwt.PyJWK({**ECAlgorithm.to_jwk(key, as_dict=True), "kid": kid, **fields})


def write_pem(path: Path, key: PublicKey) -> str:
    path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return str(path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def keys(publisher: Publisher, clock: Clock) -> PublishedKeys:
    return PublishedKeys(publisher, clock)


async def test_published_keys_are_fetched_once_for_all_that_wait(
    keys: PublishedKeys, publisher: Publisher
) -> None:
    publisher.keys = [published("one"), published("two")]
    found = await asyncio.gather(*(keys.key(kid) for kid in ["one", "two"] * 50))
    assert {key.key_id for key in found if isinstance(key, jwt.PyJWK)} == {"one", "two"}
    assert publisher.fetches == 1


async def test_whose_key_is_known_does_not_wait_while_others_fetch(
    keys: PublishedKeys, publisher: Publisher, clock: Clock
) -> None:
    publisher.keys = [published("one")]
    await keys.key("one")
    clock.now_s += FRESH_S
    publisher.may_answer.clear()
    waiting = asyncio.create_task(keys.key("two"))
    await until(lambda: publisher.fetches == 2, "a fetch")
    assert await keys.key("one")
    publisher.may_answer.set()
    with pytest.raises(Unauthorized):
        await waiting


async def test_published_keys_are_fetched_again_after_a_while(
    keys: PublishedKeys, publisher: Publisher, clock: Clock
) -> None:
    publisher.keys = [published("one")]
    await keys.key("one")
    clock.now_s += FRESH_S
    publisher.keys = [published("two")]
    with pytest.raises(Unauthorized):
        await keys.key("one")


async def test_a_new_key_is_found_as_soon_as_a_fetch_is_allowed(
    keys: PublishedKeys, publisher: Publisher, clock: Clock
) -> None:
    publisher.keys = [published("one")]
    await keys.key("one")
    publisher.keys = [published("one"), published("two")]
    clock.now_s += COOLDOWN_S
    assert await keys.key("two")


async def test_a_flood_of_unknown_keys_does_not_become_a_flood_of_fetches(
    keys: PublishedKeys, publisher: Publisher, clock: Clock
) -> None:
    publisher.keys = [published("one")]
    for number in range(200):
        clock.now_s += 0.1
        with pytest.raises(Unauthorized):
            await keys.key(f"unknown {number}")
    assert publisher.fetches <= 3


async def test_whoever_hangs_up_while_he_waits_does_not_make_the_next_one_fetch(
    keys: PublishedKeys, publisher: Publisher
) -> None:
    publisher.keys = [published("one")]
    publisher.may_answer.clear()
    impatient = asyncio.create_task(keys.key("one"))
    await until(lambda: publisher.fetches == 1, "a fetch")
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    with pytest.raises(Unavailable):
        await keys.key("one")
    publisher.may_answer.set()
    assert publisher.fetches == 1


async def test_known_keys_outlive_an_outage_but_not_for_ever(
    keys: PublishedKeys, publisher: Publisher, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    publisher.keys = [published("one")]
    await keys.key("one")
    publisher.down = True
    clock.now_s += FRESH_S
    assert await keys.key("one")
    assert "cannot be fetched" in caplog.text
    clock.now_s += STALE_S
    with pytest.raises(Unavailable):
        await keys.key("one")


async def test_keys_that_were_never_fetched_make_a_temporary_refusal(
    keys: PublishedKeys, publisher: Publisher, clock: Clock
) -> None:
    publisher.down = True
    with pytest.raises(Unavailable) as refused:
        await keys.key("one")
    assert refused.value.retry_after_s == COOLDOWN_S
    publisher.down = False
    publisher.keys = [published("one")]
    clock.now_s += COOLDOWN_S
    assert await keys.key("one")


async def test_an_address_that_never_answers_makes_a_temporary_refusal(
    keys: PublishedKeys, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.keys.FETCH_TOTAL_S", 0.05)
    publisher.may_answer.clear()
    with pytest.raises(Unavailable):
        await keys.key("one")
    publisher.may_answer.set()


async def test_a_token_that_names_no_key_is_refused_without_a_fetch(
    keys: PublishedKeys, publisher: Publisher
) -> None:
    with pytest.raises(Unauthorized):
        await keys.key(None)
    assert publisher.fetches == 0


async def test_a_published_secret_is_not_a_key(keys: PublishedKeys, publisher: Publisher) -> None:
    publisher.keys = [jwt.PyJWK({"kty": "oct", "k": "c2VjcmV0", "kid": "one", "alg": "HS256"})]
    with pytest.raises(Unauthorized):
        await keys.key("one")


class JwksHandler(BaseHTTPRequestHandler):
    """Serves whatever is in `body`."""

    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def jwks_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), JwksHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(SHUTDOWN_POLL_S,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/jwks.json"
        server.shutdown()
        thread.join()


async def test_keys_come_from_a_real_address(jwks_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key(), as_dict=True)
    monkeypatch.setattr(JwksHandler, "body", json.dumps({"keys": [{**key, "kid": "one"}]}).encode())
    found = await published_keys(jwks_url).key("one")
    assert isinstance(found, jwt.PyJWK)
    assert found.algorithm_name == "RS256"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"keys":[]}', b'{"keys":5}', b"\xff", b"[" * 100_000])
async def test_an_address_that_publishes_nonsense_makes_a_temporary_refusal(
    jwks_url: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JwksHandler, "body", body)
    with pytest.raises(Unavailable):
        await published_keys(jwks_url).key("one")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/keys", "nonsense"])
def test_keys_are_published_over_http_only(url: str) -> None:
    with pytest.raises(BadSetting, match="PALAVER_JWT_JWKS_URL"):
        key_sources(Settings(jwt_algorithms="RS256", jwt_jwks_url=url), SECRET)


@pytest.mark.parametrize("algorithms", ["", " , ", "none", "HS256,none", "HS512", "hs256", "HS256 RS256"])
def test_an_algorithm_that_is_not_offered_is_refused_at_start(algorithms: str) -> None:
    with pytest.raises(BadSetting, match="PALAVER_JWT_ALGORITHMS"):
        key_sources(Settings(jwt_algorithms=algorithms), SECRET)


@pytest.mark.parametrize("algorithms", ["RS256", "ES256", "HS256, RS256"])
def test_an_algorithm_without_a_key_is_refused_at_start(algorithms: str) -> None:
    with pytest.raises(BadSetting, match="no key"):
        key_sources(Settings(jwt_algorithms=algorithms), SECRET)


def test_a_key_that_no_algorithm_uses_is_refused_at_start(tmp_path: Path) -> None:
    pem = write_pem(tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(BadSetting, match="Add it to PALAVER_JWT_ALGORITHMS"):
        key_sources(Settings(jwt_algorithms="HS256", jwt_public_key_file=pem), SECRET)


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024).public_key(),  # noqa: S505 — weak on purpose
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
    ],
    ids=["a short RSA key", "another curve", "another kind"],
)
def test_a_key_that_is_weak_or_of_another_kind_is_refused_at_start(key: PublicKey, tmp_path: Path) -> None:
    pem = write_pem(tmp_path / "key.pem", key)
    with pytest.raises(BadSetting, match="2048 bits"):
        key_sources(Settings(jwt_algorithms="RS256", jwt_public_key_file=pem), SECRET)


def test_a_file_that_holds_no_key_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("nothing of the kind")
    for name in ("key.pem", "missing.pem"):
        settings = Settings(jwt_algorithms="RS256", jwt_public_key_file=str(tmp_path / name))
        with pytest.raises(BadSetting, match="BEGIN PUBLIC KEY"):
            key_sources(settings, SECRET)


@pytest.mark.parametrize("secret", [b"", b"x" * 31])
def test_a_short_secret_is_refused_with_the_command_that_makes_one(secret: bytes) -> None:
    with pytest.raises(BadSetting, match="openssl rand"):
        key_sources(Settings(), secret)


def test_a_public_key_is_no_secret(tmp_path: Path) -> None:
    pem = write_pem(tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(BadSetting, match="PALAVER_JWT_PUBLIC_KEY_FILE"):
        key_sources(Settings(), Path(pem).read_bytes())
