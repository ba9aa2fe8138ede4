from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.limits import LOOKED_AT_MAX, TokenBuckets


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_burst_passes_and_the_next_one_is_told_how_long_to_wait() -> None:
    clock = Clock()
    buckets = TokenBuckets(10, 3, clock=clock)
    assert [buckets.take("alice") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert buckets.take("alice") == pytest.approx(0.1)


def test_who_waits_as_long_as_he_was_told_is_let_through() -> None:
    clock = Clock()
    buckets = TokenBuckets(7, 3, clock=clock)
    for _ in range(1000):
        if wait_s := buckets.take("alice"):
            clock.now_s += wait_s
            assert buckets.take("alice") == 0.0


def test_a_refusal_takes_nothing() -> None:
    clock = Clock()
    buckets = TokenBuckets(10, 1, clock=clock)
    buckets.take("alice")
    waits = {round(buckets.take("alice"), 6) for _ in range(100)}
    assert waits == {0.1}


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = Clock()
    buckets = TokenBuckets(10, 3, clock=clock)
    buckets.take("alice")
    clock.now_s += 3600
    assert [buckets.take("alice") > 0 for _ in range(4)] == [False, False, False, True]


def test_the_flood_of_one_key_is_not_felt_by_another() -> None:
    buckets = TokenBuckets(10, 3, clock=Clock())
    for _ in range(100):
        buckets.take("alice")
    assert buckets.take("bob") == 0.0


def test_it_keeps_no_more_keys_than_it_may() -> None:
    buckets = TokenBuckets(0.001, 1, keys_max=100, clock=Clock())
    for number in range(10_000):
        assert buckets.take(f"user {number}") == 0.0
    assert len(buckets) == 100


def test_full_buckets_are_forgotten_before_those_in_use() -> None:
    clock = Clock()
    buckets = TokenBuckets(1, 1, keys_max=LOOKED_AT_MAX, clock=clock)
    for number in range(LOOKED_AT_MAX - 1):
        buckets.take(f"idle {number}")
    clock.now_s += 1
    buckets.take("busy")
    for number in range(LOOKED_AT_MAX - 1):
        buckets.take(f"new {number}")
    assert buckets.take("busy") > 0
    assert len(buckets) == LOOKED_AT_MAX


def test_one_key_is_room_enough() -> None:
    buckets = TokenBuckets(1, 1, keys_max=1, clock=Clock())
    assert [buckets.take("alice"), buckets.take("bob")] == [0.0, 0.0]
    assert len(buckets) == 1


@pytest.mark.parametrize(("rate_per_s", "burst", "keys_max"), [(0, 1, 1), (-1, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_limits_that_let_nothing_through_are_refused(rate_per_s: float, burst: int, keys_max: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        TokenBuckets(rate_per_s, burst, keys_max)


@given(
    rate_per_s=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    pauses_s=st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_no_more_pass_than_burst_and_rate_allow(rate_per_s: float, burst: int, pauses_s: list[float]) -> None:
    clock = Clock()
    begun_s = clock.now_s
    buckets = TokenBuckets(rate_per_s, burst, clock=clock)
    passed = 0
    for pause_s in pauses_s:
        clock.now_s += pause_s
        passed += buckets.take("alice") == 0.0
    assert passed <= burst + (clock.now_s - begun_s) * rate_per_s + 1e-3
