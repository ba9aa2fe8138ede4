"""KeySource: where the keys come from that tokens are verified with.

Every algorithm has a source of its own, and no key is ever tried with another algorithm: a token that is
signed with a public key, as if that were a secret, is worth nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import Protocol

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import HMACAlgorithm

from chat.errors import Unauthorized, Unavailable
from chat.settings import BadSetting, Settings

HS256, RS256, ES256 = "HS256", "RS256", "ES256"
ASYMMETRIC = frozenset({RS256, ES256})
ALGORITHMS = ASYMMETRIC | {HS256}
SECRET_BYTES_MIN = 32  # RFC 7518 §3.2: as long as the hash
RSA_BITS_MIN = 2048  # RFC 7518 §3.3
HOW_TO_MAKE_ONE = "openssl rand -base64 48"
FETCH_TIMEOUT_S = 5.0  # of one step: connecting, reading
FETCH_TOTAL_S = 10.0
FRESH_S = 300.0
"""How long published keys are used before they are fetched again."""

STALE_S = 3600.0
"""How long they are used when they cannot be fetched again."""

COOLDOWN_S = 10.0
"""The pause between two fetches, however many unknown keys tokens name."""

Key = bytes | RSAPublicKey | EllipticCurvePublicKey | jwt.PyJWK

logger = logging.getLogger("palaver.keys")


class KeySource(Protocol):
    """Where the keys of one algorithm are found."""

    async def key(self, kid: str | None) -> Key:
        """Return the key that a token names by its `kid`.

        Raises Unauthorized where there is none, and a temporary Problem where that cannot be told just now.
        """


class FixedKey:
    """One key, whatever a token calls it."""

    def __init__(self, key: Key) -> None:
        self._key = key

    async def key(self, kid: str | None) -> Key:
        """Return the key."""
        return self._key


class PublishedKeys:
    """The keys at a JWKS URL, which `fetch` gets in a thread, at most every COOLDOWN_S seconds."""

    def __init__(
        self, fetch: Callable[[], Sequence[jwt.PyJWK]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._up_to_date = False
        self._fetched_at = self._fetch_from = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, kid: str | None) -> Key:
        """Return the published key named `kid`; a token must name one."""
        if kid is None:
            raise Unauthorized("the token does not name its key (kid)")
        # Whose key is known goes on with it while others fetch; whose key is not waits for what they find.
        if kid not in self._keys or self._wants_fetch(kid):
            async with self._lock:
                if self._wants_fetch(kid):
                    await self._refresh()
        key = self._keys.get(kid)
        if key is None and not self._up_to_date:
            wait_s = max(0.0, self._fetch_from - self._clock())
            raise Unavailable("the keys of tokens cannot be fetched just now", retry_after_s=wait_s)
        if key is None:
            raise Unauthorized("the token's key is not among those published")
        return key

    def _wants_fetch(self, kid: str) -> bool:
        now = self._clock()
        return now >= self._fetch_from and (kid not in self._keys or now >= self._fetched_at + FRESH_S)

    async def _refresh(self) -> None:
        # Noted before the await: whoever hangs up while he waits must not make the next one fetch again.
        self._fetch_from = self._clock() + COOLDOWN_S
        self._up_to_date = False
        try:
            async with asyncio.timeout(FETCH_TOTAL_S):
                keys = await asyncio.to_thread(self._fetch)
        except (jwt.PyJWTError, OSError, ValueError, RecursionError) as failure:
            logger.warning("the keys of tokens cannot be fetched", extra={"reason": type(failure).__name__})
            if self._clock() >= self._fetched_at + STALE_S:
                self._keys = {}
            return
        self._keys = {key.key_id: key for key in keys if key.key_id and key.algorithm_name in ASYMMETRIC}
        self._fetched_at = self._clock()
        self._up_to_date = True


def key_sources(settings: Settings, secret: bytes) -> dict[str, KeySource]:
    """Give each accepted algorithm its one source; raises BadSetting where one has none, or a bad one."""
    accepted = _accepted(settings.jwt_algorithms)
    sources: dict[str, KeySource] = {}
    if HS256 in accepted:
        check_secret(secret)
        sources[HS256] = FixedKey(secret)
    if settings.jwt_jwks_url:
        sources |= dict.fromkeys(accepted & ASYMMETRIC, published_keys(settings.jwt_jwks_url))
    if settings.jwt_public_key_file:
        algorithm, key = read_public_key(Path(settings.jwt_public_key_file))
        sources[algorithm] = FixedKey(key)
    _check_match(accepted, sources.keys())
    return sources


def check_secret(secret: bytes, found_in: str = "") -> None:
    """Refuse a secret that is too short to sign with, or is a key of another kind; raises BadSetting.

    `found_in` names the variable or the file that it comes from.
    """
    named = f"The secret of tokens, {found_in}," if found_in else "The secret of tokens"
    if len(secret) < SECRET_BYTES_MIN:
        raise BadSetting(
            f"{named} has {len(secret)} bytes; at least {SECRET_BYTES_MIN} are needed. "
            f"Make one with: {HOW_TO_MAKE_ONE}"
        )
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except jwt.InvalidKeyError as failure:
        raise BadSetting(
            f"{named} is a key file. Name a public key by PALAVER_JWT_PUBLIC_KEY_FILE, "
            f"and make a secret with: {HOW_TO_MAKE_ONE}"
        ) from failure


def read_public_key(path: Path) -> tuple[str, Key]:
    """Read a PEM file; returns the algorithm that its key is for, and the key. Raises BadSetting."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as failure:
        raise BadSetting(
            f"PALAVER_JWT_PUBLIC_KEY_FILE={path} cannot be read as a public key: {failure}. "
            "It must be a PEM file that begins with BEGIN PUBLIC KEY."
        ) from failure
    if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS_MIN:
        return RS256, key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return ES256, key
    raise BadSetting(
        f"PALAVER_JWT_PUBLIC_KEY_FILE={path} cannot be used: it takes a key for {RS256} "
        f"(RSA of {RSA_BITS_MIN} bits or more) or for {ES256} (curve P-256)."
    )


def published_keys(url: str) -> PublishedKeys:
    """Use the keys that are published at `url`; raises BadSetting where that is no address."""
    try:
        client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_TIMEOUT_S)
    except jwt.PyJWTError as failure:
        raise BadSetting(f"PALAVER_JWT_JWKS_URL={url!r} is no address: write https://host/path.") from failure
    return PublishedKeys(client.get_signing_keys)


def _accepted(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if not names or not names <= ALGORITHMS:
        raise BadSetting(
            f"PALAVER_JWT_ALGORITHMS={text!r} cannot be used: write some of {', '.join(sorted(ALGORITHMS))}, "
            "separated by commas."
        )
    return names


def _check_match(accepted: Set[str], found: Set[str]) -> None:
    for name in sorted(accepted - found):
        raise BadSetting(
            f"PALAVER_JWT_ALGORITHMS accepts {name}, for which there is no key. "
            "Set PALAVER_JWT_PUBLIC_KEY_FILE to a key of that kind, or set PALAVER_JWT_JWKS_URL."
        )
    for name in sorted(found - accepted):
        raise BadSetting(
            f"PALAVER_JWT_PUBLIC_KEY_FILE holds a key for {name}, which is not accepted. "
            "Add it to PALAVER_JWT_ALGORITHMS, or unset the file."
        )
