from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import stat
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from chat.auth import Authenticator, check_keys, load_secret, mint
from chat.errors import BadRequest, PermissionDenied, Problem, TokenExpired, Unauthorized
from chat.models import User
from chat.settings import BadSetting, Settings

SECRET = b"a secret of tests that is long enough"
OTHER_SECRET = b"another secret of tests, just as long"
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA_KEY = rsa.generate_private_key(65537, 2048)
WEAK_RSA_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505 — weak on purpose
EC_KEY = ec.generate_private_key(ec.SECP256R1())
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
CHANNEL = "main:0192f0a0-0000-7000-8000-000000000000"


def now_s() -> int:
    return int(time.time())


def sign(
    claims: object = None,
    key: bytes | PrivateKey = SECRET,
    algorithm: str = "HS256",
    headers: dict[str, Any] | None = None,
    **more: object,
) -> str:
    """Sign claims that are good but for what a test changes."""
    payload = {"sub": "alice", "iat": now_s(), "exp": now_s() + 60, **more} if claims is None else claims
    text = (
        json.dumps({name: value for name, value in payload.items() if value is not ...})
        if isinstance(payload, dict)
        else json.dumps(payload)
    )
    return jwt.api_jws.encode(text.encode(), key, algorithm, headers)


def forge(header: object, payload: object, secret: bytes = SECRET) -> str:
    """Write a token by hand, as no library would, signed with HMAC-SHA256."""
    signed = b".".join(
        base64url(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (header, payload)
    )
    return (signed + b"." + base64url(hmac.digest(secret, signed, hashlib.sha256))).decode()


def sign_weakly(headers: dict[str, Any]) -> str:
    """Sign with an RSA key that is too short."""
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        return sign(key=WEAK_RSA_KEY, algorithm="RS256", headers=headers)


def base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def by_secret() -> Authenticator:
    return Authenticator(Settings(), SECRET)


@pytest.fixture(scope="module")
def by_rsa(folder: Path) -> Authenticator:
    (folder / "rsa.pem").write_bytes(pem(RSA_KEY))
    settings = Settings(jwt_algorithms="RS256", jwt_public_key_file=str(folder / "rsa.pem"))
    return Authenticator(settings, b"")


@pytest.fixture(scope="module")
def by_secret_or_rsa(folder: Path) -> Authenticator:
    (folder / "both.pem").write_bytes(pem(RSA_KEY))
    settings = Settings(jwt_algorithms="HS256,RS256", jwt_public_key_file=str(folder / "both.pem"))
    return Authenticator(settings, SECRET)


async def test_a_good_token_says_who_it_is(by_secret: Authenticator) -> None:
    token = sign(scope="ops assistant", info={"name": "Alice"}, channels=["a", "b"], meta={"any": 1}, exp=4e9)
    user = await by_secret.authenticate(token)
    assert user == User(
        id="alice",
        scopes=frozenset({"ops", "assistant"}),
        expires_s=4_000_000_000,
        info={"name": "Alice"},
        channels=("a", "b"),
    )


async def test_a_token_is_as_good_the_second_time(by_secret: Authenticator) -> None:
    token = sign()
    assert await by_secret.authenticate(token) == await by_secret.authenticate(token)


async def test_scopes_may_come_as_a_list(by_secret: Authenticator) -> None:
    assert (await by_secret.authenticate(sign(scope=["ops"]))).scopes == {"ops"}


async def test_a_token_without_an_end_never_ends(by_secret: Authenticator) -> None:
    assert (await by_secret.authenticate(sign(exp=...))).expires_s == 0


async def test_an_end_beyond_all_numbers_is_cut(by_secret: Authenticator) -> None:
    assert (await by_secret.authenticate(sign(exp=10**300))).expires_s == 2**53 - 1


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256")], ids=["RS256", "ES256"]
)
async def test_public_keys_verify_their_own_signatures(
    key: PrivateKey, algorithm: str, tmp_path: Path
) -> None:
    (tmp_path / "key.pem").write_bytes(pem(key))
    settings = Settings(jwt_algorithms=algorithm, jwt_public_key_file=str(tmp_path / "key.pem"))
    assert (await Authenticator(settings, b"").authenticate(sign(key=key, algorithm=algorithm))).id == "alice"


async def test_both_kinds_are_taken_where_both_are_accepted(by_secret_or_rsa: Authenticator) -> None:
    assert (await by_secret_or_rsa.authenticate(sign())).id == "alice"
    assert (await by_secret_or_rsa.authenticate(sign(key=RSA_KEY, algorithm="RS256"))).id == "alice"


JWK = json.loads(RSAAlgorithm.to_jwk(OTHER_RSA_KEY.public_key()))
ATTACKS: dict[str, Callable[[], str]] = {
    "no token": lambda: "",
    "dots": lambda: "..",
    "one part": lambda: "abc",
    "two parts": lambda: "abc.def",
    "four parts": lambda: sign() + ".abc",
    "no JSON": lambda: "abc.def.ghi",
    "not base64": lambda: "!!!.???.###",
    "not ASCII": lambda: sign() + "é",
    "a lone surrogate": lambda: sign() + "\ud800",
    "a NUL": lambda: sign() + "\x00",
    "huge": lambda: sign(info="x" * 10_000),
    "enormous": lambda: "a" * 10_000_000,
    "many dots": lambda: "." * 8_000,
    "no signature": lambda: sign().rpartition(".")[0] + ".",
    "alg none": lambda: forge({"alg": "none"}, {"sub": "alice"}),
    "alg none, unsigned": lambda: forge({"alg": "none"}, {"sub": "alice"}).rpartition(".")[0] + ".",
    "alg nOnE": lambda: forge({"alg": "nOnE"}, {"sub": "alice"}).rpartition(".")[0] + ".",
    "alg absent": lambda: forge({}, {"sub": "alice"}),
    "alg null": lambda: forge({"alg": None}, {"sub": "alice"}),
    "alg a list": lambda: forge({"alg": ["HS256"]}, {"sub": "alice"}),
    "alg an object": lambda: forge({"alg": {"HS256": 1}}, {"sub": "alice"}),
    "alg lower case": lambda: forge({"alg": "hs256"}, {"sub": "alice"}),
    "alg not accepted": lambda: sign(algorithm="HS512", key=SECRET * 2),
    "another algorithm's signature": lambda: forge({"alg": "HS512"}, {"sub": "alice"}),
    "another secret": lambda: sign(key=OTHER_SECRET),
    "an RSA key of one's own": lambda: sign(key=OTHER_RSA_KEY, algorithm="RS256"),
    "an EC key of one's own": lambda: sign(key=EC_KEY, algorithm="ES256"),
    "the public key as a secret": lambda: forge({"alg": "HS256"}, {"sub": "alice"}, pem(RSA_KEY)),
    "the public key as a secret, trimmed": lambda: forge(
        {"alg": "HS256"}, {"sub": "alice"}, pem(RSA_KEY).strip()
    ),
    "an empty secret": lambda: forge({"alg": "HS256"}, {"sub": "alice"}, b""),
    "jwk": lambda: sign(key=OTHER_RSA_KEY, algorithm="RS256", headers={"jwk": JWK}),
    "jwk and kid": lambda: sign(
        key=OTHER_RSA_KEY, algorithm="RS256", headers={"jwk": {**JWK, "kid": "a"}, "kid": "a"}
    ),
    "jku": lambda: sign(
        key=OTHER_RSA_KEY, algorithm="RS256", headers={"jku": "http://127.0.0.1:9/jwks.json"}
    ),
    "x5u": lambda: sign(key=OTHER_RSA_KEY, algorithm="RS256", headers={"x5u": "http://127.0.0.1:9/key.pem"}),
    "x5c": lambda: sign(key=OTHER_RSA_KEY, algorithm="RS256", headers={"x5c": ["MIIB"]}),
    "kid a path": lambda: sign(key=b"\0" * 32, headers={"kid": "../../../../dev/null"}),
    "kid a query": lambda: sign(key=OTHER_SECRET, headers={"kid": "x' UNION SELECT 'key"}),
    "kid an object": lambda: forge({"alg": "HS256", "kid": {"a": 1}}, {"sub": "alice"}),
    "an unknown critical header": lambda: forge(
        {"alg": "HS256", "crit": ["exp"], "exp": 1}, {"sub": "alice"}
    ),
    "a payload that is not encoded": lambda: forge(
        {"alg": "HS256", "b64": False, "crit": ["b64"]}, {"sub": "alice"}
    ),
    "a header that is a list": lambda: forge(["HS256"], {"sub": "alice"}),
    "a header that nests deep": lambda: forge(b"[" * 3_000, {"sub": "alice"}),
    "a header of no UTF-8": lambda: forge(b'{"alg":"HS256","a":"\xff"}', {"sub": "alice"}),
    "a payload that is a list": lambda: sign(["alice"]),
    "a payload that is null": lambda: forge({"alg": "HS256"}, b"null"),
    "a payload of no UTF-8": lambda: forge({"alg": "HS256"}, b'{"sub":"\xff"}'),
    "a payload that nests deep": lambda: forge(
        {"alg": "HS256"}, b'{"sub":"alice","info":' + b"[" * 2_000 + b"]" * 2_000 + b"}"
    ),
    "a number of a thousand digits": lambda: forge(
        {"alg": "HS256"}, b'{"sub":"alice","exp":' + b"9" * 5_000 + b"}"
    ),
    "not yet": lambda: sign(nbf=now_s() + 60),
    "issued in the future": lambda: sign(iat=now_s() + 60),
    "nbf a text": lambda: sign(nbf="soon"),
    "iat a list": lambda: sign(iat=[]),
    "exp a text": lambda: sign(exp="4000000000"),
    "exp null": lambda: sign(exp=None),
    "exp an object": lambda: sign(exp={}),
    "exp true": lambda: sign(exp=True, iat=...),
    "exp not a number": lambda: forge({"alg": "HS256"}, b'{"sub":"alice","exp":NaN}'),
    "exp infinite": lambda: forge({"alg": "HS256"}, b'{"sub":"alice","exp":1e400}'),
    "no sub": lambda: sign(sub=...),
    "sub null": lambda: sign(sub=None),
    "sub a number": lambda: sign(sub=5),
    "sub empty": lambda: sign(sub=""),
    "sub too long": lambda: sign(sub="x" * 251),
    "sub too long in bytes": lambda: sign(sub="é" * 126),
    "sub with a line break": lambda: sign(sub="alice\nadmin"),
    "sub with a NUL": lambda: sign(sub="alice\x00"),
    "sub half a character": lambda: forge({"alg": "HS256"}, b'{"sub":"\\ud800"}'),
    "scope a number": lambda: sign(scope=5),
    "scope a list of numbers": lambda: sign(scope=[5]),
    "channels a text": lambda: sign(channels="all"),
    "channels half a character": lambda: forge({"alg": "HS256"}, b'{"sub":"alice","channels":["\\ud800"]}'),
    "info half a character": lambda: forge({"alg": "HS256"}, b'{"sub":"alice","info":{"a":"\\ud800"}}'),
    "jti a number": lambda: sign(jti=5),
    "a token for a subscription": lambda: sign(channel=CHANNEL),
}


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
async def test_an_attack_is_refused(attack: str, by_secret_or_rsa: Authenticator) -> None:
    token = ATTACKS[attack]()
    with pytest.raises(Problem) as refused:
        await by_secret_or_rsa.authenticate(token)
    # `exp: true` is the number 1 to whoever reads claims as Python does, and that is long ago.
    assert type(refused.value) is (TokenExpired if attack == "exp true" else Unauthorized)
    assert not refused.value.temporary


@pytest.mark.parametrize("header", ["jwk", "jku", "x5u", "x5c", "kid"])
async def test_what_else_a_header_names_changes_nothing(header: str, by_secret_or_rsa: Authenticator) -> None:
    token = sign(key=RSA_KEY, algorithm="RS256", headers={header: "http://127.0.0.1:9/"})
    assert (await by_secret_or_rsa.authenticate(token)).id == "alice"


async def test_a_secret_is_worth_nothing_where_only_public_keys_are_accepted(by_rsa: Authenticator) -> None:
    for token in (sign(), sign(key=OTHER_SECRET), forge({"alg": "HS256"}, {"sub": "alice"}, pem(RSA_KEY))):
        with pytest.raises(Unauthorized):
            await by_rsa.authenticate(token)


async def test_a_public_key_is_worth_nothing_where_only_the_secret_is_accepted(
    by_secret: Authenticator,
) -> None:
    with pytest.raises(Unauthorized):
        await by_secret.authenticate(sign(key=RSA_KEY, algorithm="RS256"))


async def test_an_expired_token_is_told_from_a_bad_one(by_secret: Authenticator) -> None:
    with pytest.raises(TokenExpired):
        await by_secret.authenticate(sign(exp=now_s() - 60))
    with pytest.raises(Unauthorized):
        await by_secret.authenticate(sign(exp=now_s() - 60, key=OTHER_SECRET))


async def test_clocks_may_differ_by_the_leeway() -> None:
    authenticator = Authenticator(Settings(jwt_leeway_s=30), SECRET)
    token = sign(exp=now_s() - 15, iat=now_s() + 15, nbf=now_s() + 15)
    assert (await authenticator.authenticate(token)).id == "alice"
    for token in (sign(exp=now_s() - 45), sign(iat=now_s() + 45), sign(nbf=now_s() + 45)):
        with pytest.raises((TokenExpired, Unauthorized)):
            await authenticator.authenticate(token)


@pytest.mark.parametrize(
    "claims", [{}, {"aud": "other"}, {"aud": ["other"]}, {"aud": None}, {"aud": 5}, {"aud": []}]
)
async def test_another_audience_is_refused_where_one_is_asked_for(claims: dict[str, Any]) -> None:
    authenticator = Authenticator(Settings(jwt_audience="chat"), SECRET)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(sign(**claims))


@pytest.mark.parametrize("claims", [{}, {"iss": "other"}, {"iss": None}, {"iss": 5}, {"iss": ["login"]}])
async def test_another_issuer_is_refused_where_one_is_asked_for(claims: dict[str, Any]) -> None:
    authenticator = Authenticator(Settings(jwt_issuer="login"), SECRET)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(sign(**claims))


async def test_audience_and_issuer_let_the_right_ones_in() -> None:
    authenticator = Authenticator(Settings(jwt_audience="chat", jwt_issuer="login"), SECRET)
    for token in (
        sign(aud=["mail", "chat"], iss="login"),
        mint(SECRET, "alice", 60, audience="chat", issuer="login"),
    ):
        assert (await authenticator.authenticate(token)).id == "alice"


async def test_audience_and_issuer_do_not_matter_where_none_is_asked_for(by_secret: Authenticator) -> None:
    assert (await by_secret.authenticate(sign(aud="any", iss="any"))).id == "alice"


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_a_token_that_was_changed_anywhere_is_refused(part: int, by_secret: Authenticator) -> None:
    parts = sign().split(".")
    for place in range(len(parts[part])):
        changed = parts.copy()
        letter = "B" if changed[part][place] != "B" else "C"
        changed[part] = changed[part][:place] + letter + changed[part][place + 1 :]
        with pytest.raises(Unauthorized):
            await by_secret.authenticate(".".join(changed))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for all examples of a property: a loop for each would take longer than the examples."""
    with asyncio.Runner() as runner:
        yield runner


@given(token=st.text(max_size=300))
def test_any_text_is_refused(token: str, runner: asyncio.Runner, by_secret_or_rsa: Authenticator) -> None:
    with pytest.raises(Unauthorized):
        runner.run(by_secret_or_rsa.authenticate(token))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HEADER_NAMES = st.sampled_from(["typ", "kid", "jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "alg"])
CLAIM_NAMES = st.sampled_from(
    ["sub", "exp", "nbf", "iat", "aud", "iss", "jti", "scope", "info", "channels", "channel"]
)


@given(headers=st.dictionaries(HEADER_NAMES, JSON), claims=st.dictionaries(CLAIM_NAMES, JSON))
def test_whatever_is_signed_makes_a_user_or_is_refused(
    headers: dict[str, object],
    claims: dict[str, object],
    runner: asyncio.Runner,
    by_secret_or_rsa: Authenticator,
) -> None:
    token = forge({"alg": "HS256", **headers}, {"sub": "alice", **claims})
    with contextlib.suppress(Unauthorized, TokenExpired):
        user = runner.run(by_secret_or_rsa.authenticate(token))
        assert user.id == claims.get("sub", "alice")


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
async def test_a_refusal_shows_nothing_of_the_token(
    attack: str, by_secret_or_rsa: Authenticator, caplog: pytest.LogCaptureFixture
) -> None:
    token = ATTACKS[attack]()
    with pytest.raises(Problem) as refused:
        await by_secret_or_rsa.authenticate(token)
    shown = "".join(traceback.format_exception(refused.value)) + caplog.text
    assert not [part for part in token.split(".") if len(part) > 8 and part in shown]
    assert "127.0.0.1" not in shown
    assert len(refused.value.detail) <= 200


async def test_a_subscription_token_opens_its_channel_for_its_user(by_secret: Authenticator) -> None:
    end_s = now_s() + 60
    token = sign(channel=CHANNEL, exp=end_s)
    assert await by_secret.subscription(token, User("alice"), CHANNEL) == end_s
    assert await by_secret.subscription(sign(channel=CHANNEL, exp=...), User("alice"), CHANNEL) == 0


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"channel": CHANNEL, "sub": "bob"}, PermissionDenied),
        ({"channel": "main:another"}, PermissionDenied),
        ({}, PermissionDenied),
        ({"channel": None}, PermissionDenied),
        ({"channel": 5}, Unauthorized),
        ({"channel": CHANNEL, "sub": ...}, Unauthorized),
        ({"channel": CHANNEL, "exp": 1}, TokenExpired),
        ({"channel": CHANNEL, "key": OTHER_SECRET}, Unauthorized),
    ],
    ids=str,
)
async def test_another_subscription_token_does_not(
    claims: dict[str, Any], problem: type[Problem], by_secret: Authenticator
) -> None:
    with pytest.raises(problem):
        await by_secret.subscription(sign(**claims), User("alice"), CHANNEL)


async def test_a_subscription_token_is_looked_at_only_up_to_its_longest(by_secret: Authenticator) -> None:
    for token in ("", "a" * 10_000, "é"):
        with pytest.raises(Unauthorized):
            await by_secret.subscription(token, User("alice"), CHANNEL)


async def test_a_minted_token_is_taken_and_ends(by_secret: Authenticator) -> None:
    user = await by_secret.authenticate(mint(SECRET, "alice", 60, ["ops", "assistant"]))
    assert user.id == "alice"
    assert user.scopes == {"ops", "assistant"}
    assert abs(user.expires_s - now_s() - 60) <= 2
    with pytest.raises(TokenExpired):
        await by_secret.authenticate(mint(SECRET, "alice", -60))


def test_two_minted_tokens_are_never_the_same() -> None:
    assert mint(SECRET, "alice", 60) != mint(SECRET, "alice", 60)


def test_what_cannot_be_a_user_gets_no_token() -> None:
    with pytest.raises(BadRequest):
        mint(SECRET, "", 60)
    with pytest.raises(BadSetting):
        mint(b"short", "alice", 60)


def test_the_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path / "new" / "data"))
    secret = load_secret(settings)
    assert len(secret) >= 32
    assert load_secret(settings) == secret
    assert [path.name for path in Path(settings.data).iterdir()] == ["secret"]
    assert stat.S_IMODE((Path(settings.data) / "secret").stat().st_mode) == 0o600


def test_every_server_has_another_secret(tmp_path: Path) -> None:
    made = {load_secret(Settings(data=str(tmp_path / name))) for name in "abc"}
    assert len(made) == 3


def test_of_two_servers_that_start_at_once_both_have_the_first_ones_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data=str(tmp_path))
    first: list[bytes] = []
    link = os.link

    def overtaken(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        first.append(load_secret(settings))
        link(source, target)

    monkeypatch.setattr(os, "link", overtaken)
    assert [load_secret(settings)] == first
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644, 0o601])
def test_a_secret_that_others_can_read_is_refused_with_the_cure(mode: int, tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path / "a folder"))
    load_secret(settings)
    path = tmp_path / "a folder" / "secret"
    path.chmod(mode)
    with pytest.raises(BadSetting, match=f"chmod 600 '{path}'"):
        load_secret(settings)


def test_an_empty_secret_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").touch(mode=0o600)
    with pytest.raises(BadSetting, match="openssl rand"):
        load_secret(Settings(data=str(tmp_path)))


def test_a_secret_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadSetting, match="PALAVER_JWT_SECRET"):
        load_secret(Settings(data=str(tmp_path / "file")))
    (tmp_path / "secret").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadSetting, match="PALAVER_JWT_SECRET"):
        load_secret(Settings(data=str(tmp_path)))


def test_a_secret_of_the_settings_needs_no_file(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path / "data"), jwt_secret=SECRET.decode())
    assert load_secret(settings) == SECRET
    assert not (tmp_path / "data").exists()
    with pytest.raises(BadSetting, match=r"PALAVER_JWT_SECRET, has 5 bytes.*openssl rand"):
        load_secret(Settings(jwt_secret="short"))


def test_keys_are_looked_at_before_anything_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    check_keys(Settings(data=str(folder)))
    with pytest.raises(BadSetting, match="PALAVER_JWT_SECRET, has 5 bytes"):
        check_keys(Settings(data=str(folder), jwt_secret="short", jwt_algorithms="ES256"))
    with pytest.raises(BadSetting, match="PALAVER_JWT_ALGORITHMS"):
        check_keys(Settings(data=str(folder), jwt_algorithms="ES256"))
    assert not folder.exists()


@pytest.fixture
def by_published_keys(monkeypatch: pytest.MonkeyPatch) -> Authenticator:
    weak = RSAAlgorithm.to_jwk(WEAK_RSA_KEY.public_key(), as_dict=True)
    strong = RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True)
    curve = ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True)
    keys = [jwt.PyJWK({**key, "kid": kid}) for key, kid in ((weak, "weak"), (strong, "rsa"), (curve, "ec"))]
    monkeypatch.setattr(jwt.PyJWKClient, "get_signing_keys", lambda self: keys)
    settings = Settings(jwt_algorithms="RS256,ES256", jwt_jwks_url="https://login.example/jwks.json")
    return Authenticator(settings, b"")


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(RSA_KEY, "RS256", "rsa"), (EC_KEY, "ES256", "ec")], ids=["RS256", "ES256"]
)
async def test_published_keys_verify_the_tokens_that_name_them(
    key: PrivateKey, algorithm: str, kid: str, by_published_keys: Authenticator
) -> None:
    token = sign(key=key, algorithm=algorithm, headers={"kid": kid})
    assert (await by_published_keys.authenticate(token)).id == "alice"


PUBLISHED_ATTACKS: dict[str, Callable[[], str]] = {
    "no kid": lambda: sign(key=RSA_KEY, algorithm="RS256"),
    "an unknown kid": lambda: sign(key=RSA_KEY, algorithm="RS256", headers={"kid": "other"}),
    "the kid of another algorithm": lambda: sign(key=RSA_KEY, algorithm="RS256", headers={"kid": "ec"}),
    "the kid of another key": lambda: sign(key=OTHER_RSA_KEY, algorithm="RS256", headers={"kid": "rsa"}),
    "the public key as a secret": lambda: forge(
        {"alg": "HS256", "kid": "rsa"}, {"sub": "alice"}, pem(RSA_KEY)
    ),
    "a weak key": lambda: sign_weakly({"kid": "weak"}),
}


@pytest.mark.parametrize("attack", PUBLISHED_ATTACKS, ids=str)
async def test_an_attack_on_published_keys_is_refused(attack: str, by_published_keys: Authenticator) -> None:
    with pytest.raises(Unauthorized):
        await by_published_keys.authenticate(PUBLISHED_ATTACKS[attack]())
