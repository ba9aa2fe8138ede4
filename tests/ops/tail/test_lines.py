"""Events as lines for people: readable, and harmless whatever they hold."""

from __future__ import annotations

from datetime import datetime

import pytest

from ops.tail.lines import CLOCK, DATE_AND_CLOCK, changed, clean, passing, sentence, time_of
from ops.tail.wire import Event


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Event("message", sender="bob", role="user", content="hi"), "bob: hi"),
        (Event("message", sender="bob", role="user", content="hi", edited_at=1), "bob: hi (edited)"),
        (Event("message", sender="anna", role="assistant", content="hi"), "anna (assistant): hi"),
        (Event("message", sender="bob", deleted_at=1), "bob: [deleted]"),
        (Event("message.edited", actor="bob", message_seq=3, content="ho"), "bob edited #3: ho"),
        (Event("message.deleted", actor="bob", message_seq=3), "bob deleted #3"),
        (Event("member.joined", user="carol", role="member", actor="bob"), "carol joined as member"),
        (Event("member.left", user="carol", actor="carol"), "carol left"),
        (Event("member.left", user="carol", actor="bob"), "bob removed carol"),
        (Event("member.changed", user="carol", role="admin", actor="bob"), "carol is admin now"),
        (Event("conversation.updated", actor="bob", title="Tea"), "bob called this conversation Tea"),
        (Event("conversation.updated", actor="bob"), "bob changed this conversation"),
        (Event("conversation.deleted", actor="bob"), "bob deleted this conversation"),
        (Event("poll.opened"), "[poll.opened]"),
    ],
)
def test_every_event_has_its_sentence(event: Event, line: str) -> None:
    assert sentence(event) == line


@pytest.mark.parametrize("evil", ["\x1b[2J", "\x07", "\r", "\x7f", "\x9b2J", "\u202e", "\u2066", "\x00"])
def test_what_a_terminal_would_obey_is_replaced(evil: str) -> None:
    shown = sentence(Event("message", sender=f"b{evil}b", content=f"a{evil}z"))
    assert evil not in shown
    assert "\N{REPLACEMENT CHARACTER}" in shown


def test_further_lines_are_indented_so_that_they_cannot_pose_as_others() -> None:
    assert clean("one\nbob: two\r\nthree") == "one\n    bob: two\n    three"


def test_what_passes_is_said_in_the_present() -> None:
    assert passing(Event("typing", user="bob")) == "bob is typing …"
    assert passing(Event("read", user="bob", read_seq=7)) == "bob has read up to #7"
    assert passing(Event("waving", user="bob")) == ""


def test_times_are_local_and_impossible_ones_are_dashes() -> None:
    at_ms = 1_790_000_000_000
    local = datetime.fromtimestamp(at_ms / 1000).astimezone()
    assert time_of(Event("message", created_at=at_ms), CLOCK) == local.strftime("%H:%M")
    assert time_of(Event("message.edited", edited_at=at_ms), DATE_AND_CLOCK) == local.strftime(
        "%Y-%m-%d %H:%M:%S"
    )
    assert time_of(Event("message", created_at=10**18), CLOCK) == "--:--"
    assert time_of(Event("member.joined"), CLOCK) == "--:--"


def test_a_change_leaves_the_rest_of_a_message_alone() -> None:
    message = Event("message", seq=3, changed_seq=3, sender="bob", content="hi", created_at=5)
    edited = changed(
        message, Event("message.edited", seq=4, message_seq=3, changed_seq=4, content="ho", edited_at=9)
    )
    assert (edited.seq, edited.sender, edited.created_at) == (3, "bob", 5)
    assert (edited.content, edited.changed_seq, edited.edited_at) == ("ho", 4, 9)
