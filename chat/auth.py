"""A token to a user: JSON Web Tokens are verified, the secret behind them is kept, and tokens are made."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shlex
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jwt
import msgspec

from chat.commands import check_user, encode_json
from chat.errors import PermissionDenied, Problem, TokenExpired, Unauthorized
from chat.keys import HS256, Key, check_secret, key_sources
from chat.models import SEQ_MAX, Json, User
from chat.settings import BadSetting, Settings
from chat.verified import VerifiedTokens

SECRET_FILE = "secret"  # noqa: S105 — a file's name
SECRET_VARIABLE = "PALAVER_JWT_SECRET"  # noqa: S105 — a variable's name
SECRET_RANDOM_BYTES = 48
JTI_BYTES = 12
CLAIMS_BYTES_MAX = 64 * 1024

UNUSABLE = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""All that jwt raises for a token that someone made up."""

REFUSALS: Mapping[type[Exception], str] = {
    jwt.InvalidSignatureError: "the signature of the token does not fit",
    jwt.ImmatureSignatureError: "the token is not valid yet; compare its issuer's clock with this one",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidIssuerError: "the token comes from another issuer",
    jwt.MissingRequiredClaimError: "the token lacks a claim that is asked for here (aud, iss)",
    jwt.InvalidKeyError: "the token's key is too weak, or of another kind",
}


class Claims(msgspec.Struct, frozen=True):
    """What of a token's claims is looked at here; jwt has checked exp, nbf, iat, aud and iss before."""

    sub: str
    exp: int | float = 0
    scope: str | list[str] = ""
    info: Json = None
    channels: list[str] = []
    channel: str | None = None


class Authenticator:
    """Tells who stands behind a token. `secret` is that of HS256; the settings name all other keys.

    A token is verified once and then known for a while, see VerifiedTokens. Raises BadSetting where the
    settings name no usable key.
    """

    def __init__(self, settings: Settings, secret: bytes) -> None:
        self._settings = settings
        self._sources = key_sources(settings, secret)
        self._verified = VerifiedTokens(settings.jwt_leeway_s)

    async def authenticate(self, token: str) -> User:
        """Return the user that `token` speaks for.

        Raises TokenExpired; Unauthorized for any other token that is no good; Unavailable (temporary) while
        keys that are published elsewhere cannot be fetched. Nothing else, and nothing that shows the token.
        """
        self._check_shape(token)
        known = self._verified.get(token)
        if known is not None:
            return known
        claims = await self._verify(token)
        # Such a token was made for one channel; it must not open all the others.
        if claims.channel is not None:
            raise Unauthorized("this token is for a subscription, not for a connection")
        user = _user(claims)
        self._verified.put(token, user)
        return user

    async def subscription(self, token: str, user: User, channel: str) -> int:
        """Check a subscription token of `user` for `channel`; returns its end in Unix seconds, 0 for never.

        Raises as `authenticate` does, and PermissionDenied where the token is for someone or something else.
        """
        self._check_shape(token)
        claims = await self._verify(token)
        if claims.sub != user.id or claims.channel != channel:
            raise PermissionDenied("the token is for another user or another channel")
        return _whole_seconds(claims.exp)

    def _check_shape(self, token: str) -> None:
        if not token:
            raise Unauthorized
        if len(token) > self._settings.token_bytes_max or not token.isascii():
            raise Unauthorized("the token is too long, or none")

    async def _verify(self, token: str) -> Claims:
        algorithm, kid = _header(token)
        source = self._sources.get(algorithm)
        if source is None:
            raise Unauthorized("tokens that are signed in this way are not accepted here")
        key = await source.key(kid)
        try:
            return msgspec.convert(self._decode(token, key, algorithm), Claims)
        except msgspec.ValidationError as failure:
            raise Unauthorized(f"a claim of the token cannot be used: {failure}") from None
        except UNUSABLE as failure:
            raise _refusal(failure) from None

    def _decode(self, token: str, key: Key, algorithm: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._settings.jwt_audience or None,
            issuer=self._settings.jwt_issuer or None,
            leeway=self._settings.jwt_leeway_s,
            options={
                "verify_aud": bool(self._settings.jwt_audience),
                "verify_iss": bool(self._settings.jwt_issuer),
                "enforce_minimum_key_length": True,
            },
        )


def mint(
    secret: bytes, user: str, ttl_s: int, scopes: Iterable[str] = (), *, audience: str = "", issuer: str = ""
) -> str:
    """Make an HS256 token of `user` that ends in `ttl_s` seconds.

    `audience` and `issuer` are what the server asks for, empty where it does not. Raises BadRequest for an
    impossible user id and BadSetting for a weak secret.
    """
    check_user(user)
    check_secret(secret)
    now_s = int(time.time())
    claims = {"sub": user, "iat": now_s, "exp": now_s + ttl_s, "jti": secrets.token_hex(JTI_BYTES)}
    optional = {"scope": " ".join(scopes), "aud": audience, "iss": issuer}
    return jwt.encode(claims | {name: value for name, value in optional.items() if value}, secret, HS256)


def load_secret(settings: Settings) -> bytes:
    """Return the secret of HS256: the setting, or else the file `secret` in the data folder.

    The file is made, with its folder, where there is none; only its owner may read it. Raises BadSetting,
    with what to run, where others can read it or it cannot be used.
    """
    if settings.jwt_secret:
        secret, found_in = settings.jwt_secret.encode(), SECRET_VARIABLE
    else:
        path = Path(settings.data) / SECRET_FILE
        secret, found_in = _read_secret(path), str(path)
    check_secret(secret, found_in)
    return secret


def check_keys(settings: Settings) -> None:
    """Look at what the settings say about keys, before anything is opened or made; raises BadSetting."""
    if settings.jwt_secret:
        check_secret(settings.jwt_secret.encode(), SECRET_VARIABLE)
    key_sources(settings, secrets.token_bytes(SECRET_RANDOM_BYTES))


def _read_secret(path: Path) -> bytes:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create_secret(path)
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            secret = file.read().strip()
    except OSError as failure:
        do = "Make room on its disk" if failure.errno == errno.ENOSPC else "Make file and folder yours"
        raise BadSetting(
            f"The secret of tokens, {path}, cannot be used: {failure.strerror}. {do}, or set PALAVER_JWT_SECRET."
        ) from failure
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        command = f"chmod 600 {shlex.quote(str(path))}"
        raise BadSetting(f"{path} can be read by others (mode {mode:04o}). Run: {command}")
    return secret


def _create_secret(path: Path) -> None:
    # Written aside and linked: the name never stands for a half-written file, and of two servers that start
    # at once the second takes the secret of the first.
    aside = path.with_name(f"{path.name}.{secrets.token_hex(JTI_BYTES)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_urlsafe(SECRET_RANDOM_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _header(token: str) -> tuple[str, str | None]:
    """Read which key a token wants to be verified with. What else is there (jku, jwk, x5u) is never used."""
    try:
        header = jwt.get_unverified_header(token)
    except UNUSABLE as failure:
        raise _refusal(failure) from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise Unauthorized("the token does not say how it is signed")
    return algorithm, kid


def _refusal(failure: Exception) -> Problem:
    """Say what is wrong with a token, without its content: the failure's own words may repeat it."""
    if isinstance(failure, jwt.ExpiredSignatureError):
        return TokenExpired()
    for kind, detail in REFUSALS.items():
        if isinstance(failure, kind):
            return Unauthorized(detail)
    return Unauthorized("the token cannot be read")


def _user(claims: Claims) -> User:
    scopes = claims.scope.split() if isinstance(claims.scope, str) else claims.scope
    try:
        check_user(claims.sub)
        encode_json([claims.info, claims.channels, scopes], "the token", CLAIMS_BYTES_MAX)
    except Problem as failure:
        raise Unauthorized(f"a claim of the token cannot be used: {failure.detail}") from None
    return User(
        id=claims.sub,
        scopes=frozenset(scopes),
        expires_s=_whole_seconds(claims.exp),
        info=claims.info,
        channels=tuple(claims.channels),
    )


def _whole_seconds(expires_s: float) -> int:
    return min(int(expires_s), SEQ_MAX)
