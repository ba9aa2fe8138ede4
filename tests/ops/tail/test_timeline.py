"""Each duty of a client of the timeline, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from chat.models import RowId
from ops.tail import timeline as timeline_module
from ops.tail.effects import Draw, Drop, Effect, Keep, Kind
from ops.tail.ending import Lost
from ops.tail.records import NOTHING_SEEN, Bookmark
from ops.tail.timeline import Contradiction, Timeline
from ops.tail.wire import Ack, Page, Publication, Standing, Subscribed

AT_FIVE = Bookmark("e1", 5, RowId(6, "e1"), reload_due=False)


def raw(**fields: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(fields))


def message(seq: int, changed_seq: int = 0, epoch: str = "e1", content: str = "hi") -> msgspec.Raw:
    return raw(
        type="message", seq=seq, changed_seq=changed_seq or seq, epoch=epoch, sender="bob", content=content
    )


def event(offset: int, epoch: str = "e1") -> Publication:
    return Publication(message(offset, epoch=epoch), offset)


def subscribed(
    epoch: str, offset: int, top: RowId, *missed: Publication, recovered: bool = False
) -> Subscribed:
    return Subscribed(epoch, offset, recovered, list(missed), Standing(epoch, top))


def live(bookmark: Bookmark = AT_FIVE) -> Timeline:
    timeline = Timeline(bookmark, 50)
    timeline.subscription("c")
    list(timeline.subscribed(subscribed("e1", bookmark.offset, bookmark.seen, recovered=True)))
    assert timeline.is_live
    return timeline


def told(effects: Iterator[Effect]) -> list[str]:
    """Write effects shortly, in their order."""
    return [_told(effect) for effect in effects]


def _told(effect: Effect) -> str:
    match effect:
        case Keep(records=(Bookmark() as kept, *_)):
            due = " due" if kept.reload_due else ""
            sync = "!" if effect.durable else ""
            return f"keep{sync} {kept.epoch}@{kept.offset} seen {kept.seen.epoch}.{kept.seen.seq}{due}"
        case Draw():
            return f"{effect.kind.value} {effect.event.type} {effect.event.seq}"
        case Drop():
            return f"drop {effect.epoch}@{effect.offset}"
    raise AssertionError(effect)


def test_a_first_subscription_claims_no_position() -> None:
    assert Timeline(Bookmark(), 50).subscription("c") == {
        "channel": "c",
        "recoverable": True,
        "positioned": True,
        "data": {"ephemeral": ("typing", "read")},
    }


def test_a_later_subscription_claims_position_and_seen() -> None:
    assert Timeline(AT_FIVE, 50).subscription("c") == {
        "channel": "c",
        "recoverable": True,
        "positioned": True,
        "recover": True,
        "epoch": "e1",
        "offset": 5,
        "data": {"ephemeral": ("typing", "read"), "seen": RowId(6, "e1")},
    }


def test_nothing_shown_yet_is_seen_as_nothing() -> None:
    timeline = Timeline(Bookmark(), 50)
    timeline.subscription("c")
    list(timeline.subscribed(subscribed("e1", 0, NOTHING_SEEN)))
    list(timeline.paged(Page("e1", [])))
    claim = timeline.subscription("c")
    assert claim["data"] == {"ephemeral": ("typing", "read"), "seen": RowId(0, "")}
    assert (claim["recover"], claim["epoch"], claim["offset"]) == (True, "e1", 0)


def test_a_reload_stays_due_until_its_page_is_drawn_and_counts_anew_what_was_seen() -> None:
    timeline = Timeline(Bookmark("e1", 9, RowId(9, "e1"), reload_due=False), 50)
    timeline.subscription("c")
    result = subscribed("e2", 4, RowId(4, "e2"))
    assert told(timeline.subscribed(result)) == ["keep! e1@9 seen e1.9 due"]
    assert not timeline.is_live
    assert told(timeline.paged(Page("e2", [message(2), message(3, 5, "e2")]))) == [
        "keep! e2@4 seen e2.5 due",
        "drop e2@4",
        "added message 2",
        "added message 3",
        "keep! e2@4 seen e2.5",
    ]
    assert timeline.is_live


def test_a_drop_in_the_middle_of_a_reload_does_not_recover_over_old_state() -> None:
    timeline = Timeline(AT_FIVE, 50)
    timeline.subscription("c")
    list(timeline.subscribed(subscribed("e2", 4, RowId(4, "e2"))))
    assert "recover" not in timeline.subscription("c")
    assert "recover" not in Timeline(timeline.bookmark, 50).subscription("c")


def test_a_server_that_recovers_unasked_is_not_believed() -> None:
    timeline = Timeline(Bookmark("e1", 5, RowId(5, "e1"), reload_due=True), 50)
    timeline.subscription("c")
    list(timeline.subscribed(subscribed("e1", 5, RowId(6, "e1"), event(6), recovered=True)))
    assert timeline.page_request("c") == {"conversation_id": "c", "limit": 50}


def test_the_top_of_a_subscription_counts_as_seen() -> None:
    timeline = Timeline(Bookmark(), 50)
    timeline.subscription("c")
    list(timeline.subscribed(subscribed("e2", 7, RowId(7, "e1"))))
    list(timeline.paged(Page("e2", [message(3)])))
    assert timeline.bookmark == Bookmark("e2", 7, RowId(7, "e1"), reload_due=False)


def test_a_page_of_another_epoch_is_thrown_away() -> None:
    timeline = Timeline(Bookmark(), 50)
    timeline.subscription("c")
    list(timeline.subscribed(subscribed("e1", 1, RowId(1, "e1"))))
    with pytest.raises(Lost):
        list(timeline.paged(Page("e2", [message(1)])))
    assert timeline.bookmark.reload_due


def test_events_wait_while_a_page_is_in_flight_and_what_the_page_showed_is_not_drawn_again() -> None:
    timeline = Timeline(Bookmark(), 50)
    timeline.subscription("c")
    list(timeline.subscribed(subscribed("e1", 1, RowId(1, "e1"))))
    assert told(timeline.published([event(2), event(3)])) == []
    assert told(timeline.paged(Page("e1", [message(1), message(2)]))) == [
        "keep! e1@1 seen e1.2 due",
        "drop e1@1",
        "added message 1",
        "added message 2",
        "keep! e1@1 seen e1.2",
        "keep! e1@1 seen e1.3",
        "added message 3",
        "keep e1@3 seen e1.3",
    ]


def test_too_many_events_during_a_page_give_the_connection_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline_module, "HELD_MAX", 1)
    timeline = Timeline(Bookmark(), 50)
    timeline.subscription("c")
    list(timeline.subscribed(subscribed("e1", 0, NOTHING_SEEN)))
    with pytest.raises(Lost):
        list(timeline.published([event(1), event(2)]))


def test_recovered_events_are_kept_before_they_are_drawn_and_the_position_follows() -> None:
    timeline = Timeline(AT_FIVE, 50)
    timeline.subscription("c")
    result = subscribed("e2", 5, RowId(7, "e2"), event(6), event(7, "e2"), recovered=True)
    assert told(timeline.subscribed(result)) == [
        "keep! e2@5 seen e2.7",
        "added message 6",
        "added message 7",
        "keep e2@7 seen e2.7",
    ]


def test_a_recovery_with_a_hole_contradicts_itself() -> None:
    timeline = Timeline(AT_FIVE, 50)
    timeline.subscription("c")
    with pytest.raises(Contradiction):
        list(timeline.subscribed(subscribed("e1", 5, RowId(7, "e1"), event(7), recovered=True)))


def test_live_events_are_kept_before_they_are_drawn_and_the_position_follows() -> None:
    assert told(live().published([event(6), event(7)])) == [
        "keep! e1@5 seen e1.7",
        "added message 6",
        "added message 7",
        "keep e1@7 seen e1.7",
    ]


def test_a_message_that_shows_a_later_edit_makes_that_edit_seen() -> None:
    timeline = live()
    shown = Publication(message(6, changed_seq=9, epoch="e2"), 6)
    assert told(timeline.published([shown]))[0] == "keep! e1@5 seen e2.9"


def test_a_scrubbed_edit_makes_the_row_seen_that_scrubbed_it_though_nothing_is_drawn() -> None:
    edit = raw(type="message.edited", seq=6, message_seq=2, changed_seq=8, epoch="e2", deleted_at=1)
    assert told(live().published([Publication(edit, 6)])) == ["keep! e1@5 seen e2.8", "keep e1@6 seen e2.8"]


def test_what_was_delivered_before_is_passed_over() -> None:
    timeline = live()
    list(timeline.published([event(6)]))
    assert told(timeline.published([event(5), event(6)])) == []


def test_a_gap_is_not_drawn_over() -> None:
    timeline = live()
    effects = timeline.published([event(6), event(8)])
    drawn: list[Effect] = []
    with pytest.raises(Lost, match="event 7"):
        drawn.extend(effects)
    assert timeline.bookmark.offset == 6


def test_another_row_at_a_seq_that_was_seen_is_a_contradiction() -> None:
    with pytest.raises(Contradiction):
        list(live().published([event(6, epoch="e9")]))


def test_an_ephemeral_event_passes_without_being_kept() -> None:
    typing = Publication(raw(type="typing", conversation_id="c", user="bob"))
    assert told(live().published([typing])) == ["passing typing 0"]


def test_events_before_a_subscription_are_not_taken() -> None:
    timeline = live()
    timeline.subscription("c")
    assert told(timeline.published([event(6)])) == []
    assert told(timeline.subscribed(subscribed("e1", 5, RowId(6, "e1"), recovered=True))) == []


def test_nothing_is_live_once_the_subscription_is_over() -> None:
    timeline = live()
    timeline.part()
    assert not timeline.is_live


def test_the_row_of_an_own_ack_is_seen_at_once() -> None:
    timeline = live()
    assert told(timeline.acked(Ack(8, "e1"))) == ["keep! e1@5 seen e1.8"]


def test_the_ack_of_a_duplicate_tells_no_row() -> None:
    assert told(live().acked(Ack(8, "e1", duplicate=True))) == []


def test_an_ack_of_another_epoch_is_thrown_away() -> None:
    with pytest.raises(Lost):
        list(live().acked(Ack(8, "e2")))


def test_without_a_page_a_reload_begins_at_the_top() -> None:
    timeline = Timeline(Bookmark(), 0)
    timeline.subscription("c")
    assert told(timeline.subscribed(subscribed("e1", 4, RowId(4, "e1")))) == [
        "keep! e1@4 seen e1.4 due",
        "drop e1@4",
        "keep! e1@4 seen e1.4",
    ]
    assert timeline.page_request("c") is None
    assert timeline.is_live


def test_whoever_recalls_is_shown_older_messages_before_what_was_missed_once() -> None:
    timeline = Timeline(AT_FIVE, 2, recall=True)
    timeline.subscription("c")
    result = subscribed("e2", 5, RowId(6, "e1"), event(6), recovered=True)
    assert told(timeline.subscribed(result)) == ["keep! e2@5 seen e1.6"]
    assert timeline.page_request("c") == {"conversation_id": "c", "limit": 2, "before": 6}
    assert told(timeline.paged(Page("e2", [message(4), message(5, 8, "e2")]))) == [
        "keep! e2@5 seen e2.8",
        "recalled message 4",
        "recalled message 5",
        "added message 6",
        "keep e2@6 seen e2.8",
    ]
    timeline.subscription("c")
    list(timeline.subscribed(subscribed("e2", 6, RowId(8, "e2"), recovered=True)))
    assert timeline.is_live


def test_a_drop_while_older_messages_are_recalled_loses_nothing() -> None:
    timeline = Timeline(AT_FIVE, 2, recall=True)
    timeline.subscription("c")
    list(timeline.subscribed(subscribed("e1", 5, RowId(6, "e1"), event(6), recovered=True)))
    timeline.subscription("c")
    list(timeline.subscribed(subscribed("e1", 5, RowId(6, "e1"), event(6), recovered=True)))
    drawn = [effect for effect in timeline.paged(Page("e1", [message(5)])) if isinstance(effect, Draw)]
    assert [(draw.kind, draw.event.seq) for draw in drawn] == [(Kind.RECALLED, 5), (Kind.ADDED, 6)]
