"""VerifiedTokens: tokens that were verified a moment ago, so that each request need not pay for it again."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from chat.errors import TokenExpired
from chat.models import User

KNOWN_S = 30.0
"""How long a verified token is believed; a key that is withdrawn counts no longer than that."""

TOKENS_MAX = 10_000


class Verified(msgspec.Struct, frozen=True):
    """A user, and until when (monotonic clock) his token need not be verified again."""

    user: User
    until_s: float


class VerifiedTokens:
    """At most TOKENS_MAX tokens, each for KNOWN_S seconds; the one verified longest ago goes first.

    Keeps digests, not tokens, and only of good ones: refused tokens cannot drive them out.
    """

    def __init__(
        self,
        leeway_s: float,
        tokens_max: int = TOKENS_MAX,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._leeway_s = leeway_s
        self._tokens_max = tokens_max
        self._clock = clock
        self._wall_clock = wall_clock
        self._known: OrderedDict[bytes, Verified] = OrderedDict()

    def __len__(self) -> int:
        """Return how many tokens are kept."""
        return len(self._known)

    def get(self, token: str) -> User | None:
        """Return the user of a token that is still known, else None; raises TokenExpired past its end."""
        digest = _digest(token)
        verified = self._known.get(digest)
        if verified is None:
            return None
        if self._clock() >= verified.until_s:
            del self._known[digest]
            return None
        expires_s = verified.user.expires_s
        if expires_s and self._wall_clock() >= expires_s + self._leeway_s:
            raise TokenExpired
        return verified.user

    def put(self, token: str, user: User) -> None:
        """Know a token that has just been verified."""
        if len(self._known) >= self._tokens_max:
            self._known.popitem(last=False)
        digest = _digest(token)
        self._known[digest] = Verified(user, self._clock() + KNOWN_S)
        self._known.move_to_end(digest)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
