"""The ledger sees every broken promise that it is there for, and none where there is none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.ledger import Identity, Ledger, Row

HELLO = Identity("room", "alice", "k1")
AGAIN = Identity("room", "alice", "k2")
STORED = [
    Row(1, "message", "alice", "k1", "e1", "hello", 1),
    Row(2, "message", "alice", "k2", "e1", "again", 2),
]


def event(
    seq: int, key: str = "k1", content: str = "hello", epoch: str = "e1", **more: Any
) -> dict[str, Any]:
    told = {"type": "message", "seq": seq, "sender": "alice", "client_message_id": key, "content": content}
    return {**told, "epoch": epoch, "changed_seq": seq, **more}


@pytest.fixture
def ledger() -> Ledger:
    """A ledger after two messages that were sent, acknowledged and delivered to bob."""
    ledger = Ledger()
    ledger.sent(HELLO, "hello")
    ledger.sent(AGAIN, "again")
    ledger.acked(HELLO, {"seq": 1, "duplicate": False})
    ledger.acked(AGAIN, {"seq": 2, "duplicate": False})
    ledger.delivered("bob", "room", 1, event(1))
    ledger.delivered("bob", "room", 2, event(2, "k2", "again"))
    return ledger


def broken(ledger: Ledger, *rows: Row) -> str:
    ledger.check({"room": rows})
    assert len(ledger.violations) >= 1
    return ledger.violations[0]


def test_a_run_that_kept_its_promises_has_no_violations(ledger: Ledger) -> None:
    ledger.acked(HELLO, {"seq": 1, "duplicate": True})
    ledger.check({"room": STORED})
    ledger.check_complete({"room": STORED})
    assert ledger.violations == []
    assert ledger.duplicates == 1


def test_an_acknowledged_message_that_is_not_stored_is_seen(ledger: Ledger) -> None:
    ledger.check({"room": STORED[:1]})
    assert f"{AGAIN} was acknowledged as 2 and is stored as None" in ledger.violations


def test_an_acknowledged_message_under_another_seq_is_seen(ledger: Ledger) -> None:
    first, second = STORED
    ledger.check({"room": [second._replace(seq=1), first._replace(seq=2)]})
    assert f"{HELLO} was acknowledged as 1 and is stored as 2" in ledger.violations


def test_a_message_stored_twice_is_seen(ledger: Ledger) -> None:
    assert "stored 2 times" in broken(ledger, *STORED, STORED[0]._replace(seq=3))


def test_a_hole_in_the_seqs_is_seen(ledger: Ledger) -> None:
    assert "not dense: 3 where 2 should be" in broken(ledger, STORED[0], STORED[1]._replace(seq=3))


def test_a_row_that_nobody_sent_is_seen(ledger: Ledger) -> None:
    assert "nobody sent" in broken(ledger, *STORED, Row(3, "message", "alice", "k9", "e1", "boo", 3))


def test_a_row_with_another_content_is_seen(ledger: Ledger) -> None:
    assert "nobody sent" in broken(ledger, STORED[0]._replace(content="hullo"), STORED[1])


def test_a_push_of_what_was_not_committed_is_seen(ledger: Ledger) -> None:
    ledger.sent(Identity("room", "alice", "k3"), "lost")
    ledger.delivered("bob", "room", 3, event(3, "k3", "lost"))
    assert "it was not committed" in broken(ledger, *STORED)


def test_a_push_whose_seq_was_given_to_another_message_is_seen(ledger: Ledger) -> None:
    ledger.sent(Identity("room", "alice", "k3"), "third")
    ledger.sent(Identity("room", "alice", "k4"), "fourth")
    ledger.delivered("bob", "room", 3, event(3, "k3", "third"))
    assert "it was not committed" in broken(
        ledger, *STORED, Row(3, "message", "alice", "k4", "e1", "fourth", 3)
    )


def test_a_push_committed_again_in_another_generation_is_seen(ledger: Ledger) -> None:
    assert "it was not committed" in broken(ledger, STORED[0], STORED[1]._replace(epoch="e2"))


def test_a_gap_is_seen_when_it_happens(ledger: Ledger) -> None:
    ledger.delivered("bob", "room", 4, event(4))
    assert ledger.violations == ["bob saw a gap in room: 4 after 2"]


@pytest.mark.parametrize("offset", [1, 2])
def test_a_repeat_is_seen_when_it_happens(ledger: Ledger, offset: int) -> None:
    ledger.delivered("bob", "room", offset, STORED_EVENTS[offset])
    assert ledger.violations == [f"bob saw a repeat or a disorder in room: {offset} after 2"]


def test_two_subscribers_who_saw_different_events_at_one_seq_are_seen(ledger: Ledger) -> None:
    ledger.delivered("carol", "room", 1, event(1, "k7"))
    assert "two events at 1 of room" in ledger.violations[0]


def test_an_event_whose_seq_is_not_its_offset_is_seen(ledger: Ledger) -> None:
    ledger.delivered("carol", "room", 1, event(2))
    assert "the event at offset 1 of room says seq 2" in ledger.violations


def test_a_second_answer_that_differs_from_the_first_is_seen(ledger: Ledger) -> None:
    ledger.acked(HELLO, {"seq": 3, "duplicate": True})
    assert ledger.violations == [f"{HELLO} was acknowledged as 1 and then as 3"]


def test_a_reload_for_little_is_seen_and_one_for_much_is_allowed(ledger: Ledger) -> None:
    ledger.reloaded("bob", "room", top=603, missed_max=500)
    assert ledger.violations == []
    assert ledger.position("bob", "room") == 603
    ledger.reloaded("bob", "room", top=605, missed_max=500)
    assert ledger.violations == ["bob had to reload room for 2 events"]


def test_what_was_never_acknowledged_is_seen_at_the_end(ledger: Ledger) -> None:
    ledger.sent(Identity("room", "alice", "k3"), "third")
    ledger.check_complete({"room": STORED})
    assert ledger.violations == [f"{Identity('room', 'alice', 'k3')} was never acknowledged"]


def test_a_subscriber_who_never_came_to_the_top_is_seen_at_the_end(ledger: Ledger) -> None:
    ledger.check_complete({"room": [*STORED, Row(3, "message", "alice", "k3", "e1", "third", 3)]})
    assert ledger.violations == ["bob stands at 2 of 3 in room"]


def test_an_edit_is_held_against_its_own_row_and_not_against_the_first_text(ledger: Ledger) -> None:
    edit = Identity("room", "alice", "x1")
    ledger.sent(edit, "hello!")
    ledger.acked(edit, {"seq": 3, "duplicate": False})
    told = {"type": "message.edited", "seq": 3, "message_seq": 1, "actor": "alice", "content": "hello!"}
    ledger.delivered("bob", "room", 3, {**told, "epoch": "e1", "changed_seq": 3})
    ledger.delivered("carol", "room", 1, event(1, content="hello!", changed_seq=3))
    edited = [STORED[0]._replace(content="hello!", changed_seq=3), STORED[1]]
    ledger.check({"room": [*edited, Row(3, "message.edited", "alice", "x1", "e1", "hello!", 3)]})
    assert ledger.violations == []


STORED_EVENTS = {1: event(1), 2: event(2, "k2", "again")}
