"""A follower claims what it saw, shows what it shows, and tells the ledger of every event once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.follower import Follower
from tests.faults.ledger import Ledger

TOP = {"seq": 700, "epoch": "e2"}


def publication(seq: int, epoch: str = "e1", changed_seq: int | None = None) -> dict[str, Any]:
    event = {"type": "message", "seq": seq, "sender": "alice", "client_message_id": f"k{seq}", "epoch": epoch}
    return {"offset": seq, "data": {**event, "changed_seq": changed_seq or seq}}


@pytest.fixture
def follower() -> Follower:
    return Follower("bob", "room", Ledger(), shows_seen=True)


def test_it_begins_before_the_first_event(follower: Follower) -> None:
    assert follower.claim() == {
        "recover": True,
        "epoch": "",
        "offset": 0,
        "data": {"seen": {"seq": 0, "epoch": ""}},
    }


def test_it_goes_on_after_the_last_event_under_the_epoch_of_its_subscription(follower: Follower) -> None:
    follower.observe("subscribed", {"recovered": True, "epoch": "e2", "publications": [publication(1)]})
    follower.observe("pub", publication(2, "e2"))
    follower.observe("pub", {"data": {"type": "typing"}})
    assert follower.claim()["epoch"] == "e2"
    assert follower.claim()["offset"] == 2
    assert follower.recoveries == 1


def test_it_has_seen_the_newest_change_that_an_event_shows(follower: Follower) -> None:
    follower.observe("subscribed", {"recovered": True, "epoch": "e2"})
    follower.observe("pub", publication(1, "e2", changed_seq=5))
    follower.observe("pub", publication(2, "e1"))
    assert follower.claim()["data"] == {"seen": {"seq": 5, "epoch": "e2"}}


def test_a_reload_takes_it_to_the_top(follower: Follower) -> None:
    follower.observe("subscribed", {"epoch": "e2", "offset": 700, "data": {"top": TOP}})
    assert follower.claim() == {"recover": True, "epoch": "e2", "offset": 700, "data": {"seen": TOP}}


def test_the_end_of_its_subscription_is_a_violation_only_where_it_is_final(follower: Follower) -> None:
    ledger = follower._ledger
    follower.observe("subscribed", {"recovered": True, "epoch": "e1"})
    follower.observe("unsubscribe", {"code": 2500, "reason": "insufficient state"})
    assert (follower.subscribed, ledger.violations) == (False, [])
    follower.observe("unsubscribe", {"code": 2000, "reason": "no longer a member"})
    assert len(ledger.violations) == 1
