from __future__ import annotations

import pytest

from chat.errors import TokenExpired
from chat.models import User
from chat.verified import KNOWN_S, VerifiedTokens


class Clock:
    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def test_a_token_is_known_for_a_while_and_then_not() -> None:
    clock = Clock(100.0)
    tokens = VerifiedTokens(0, clock=clock)
    tokens.put("token", User("alice"))
    clock.now_s += KNOWN_S - 1
    assert tokens.get("token") == User("alice")
    clock.now_s += 1
    assert tokens.get("token") is None
    assert len(tokens) == 0


def test_a_known_token_ends_when_it_says_so_and_not_later() -> None:
    wall_clock = Clock(1_000.0)
    tokens = VerifiedTokens(5, clock=Clock(0.0), wall_clock=wall_clock)
    tokens.put("token", User("alice", expires_s=1_010))
    wall_clock.now_s = 1_014.9
    assert tokens.get("token") is not None
    wall_clock.now_s = 1_015.0
    with pytest.raises(TokenExpired):
        tokens.get("token")


def test_a_token_that_was_never_verified_is_not_known() -> None:
    tokens = VerifiedTokens(0)
    tokens.put("token", User("alice"))
    assert tokens.get("token.") is None


def test_no_more_tokens_are_kept_than_may_be_and_the_oldest_goes() -> None:
    tokens = VerifiedTokens(0, tokens_max=3)
    for number in range(4):
        tokens.put(f"token {number}", User("alice"))
    assert len(tokens) == 3
    assert tokens.get("token 0") is None
    assert tokens.get("token 3") is not None


def test_the_tokens_themselves_are_not_kept() -> None:
    tokens = VerifiedTokens(0)
    tokens.put("a token to be kept from memory dumps", User("alice"))
    assert "memory dumps" not in repr(vars(tokens))
