"""Whatever comes first, the newest change of a message stays."""

from __future__ import annotations

import pytest

from ops.tail import fold
from ops.tail.effects import Kind
from ops.tail.fold import Fold
from ops.tail.wire import Event


def message(seq: int, changed_seq: int, content: str | None = "hi") -> Event:
    return Event("message", seq=seq, changed_seq=changed_seq, epoch="e1", content=content)


def edit(seq: int, message_seq: int, changed_seq: int, content: str | None = "new") -> Event:
    return Event(
        "message.edited",
        seq=seq,
        message_seq=message_seq,
        changed_seq=changed_seq,
        epoch="e1",
        content=content,
    )


def test_a_message_is_added_once() -> None:
    fold = Fold()
    assert [draw.kind for draw in fold.draws(message(1, 1))] == [Kind.ADDED]
    assert fold.draws(message(1, 1)) == []


def test_a_newer_state_of_a_message_changes_it() -> None:
    fold = Fold()
    fold.draws(message(1, 1))
    assert [draw.kind for draw in fold.draws(message(1, 2, "newer"))] == [Kind.CHANGED]


def test_an_edit_whose_outcome_a_page_showed_already_draws_nothing() -> None:
    fold = Fold()
    fold.draws(message(1, 3, "third"))
    assert fold.draws(edit(2, 1, 2, "second")) == []
    assert fold.draws(edit(3, 1, 3, "third")) == []


def test_an_edit_that_shows_a_state_newer_than_itself_makes_the_later_event_silent() -> None:
    fold = Fold()
    fold.draws(message(1, 1))
    assert [draw.event.content for draw in fold.draws(edit(2, 1, 3, "third"))] == ["third"]
    assert fold.draws(edit(3, 1, 3, "third")) == []


def test_an_edit_whose_text_was_erased_leaves_the_deletion_to_its_own_event() -> None:
    fold = Fold()
    fold.draws(message(1, 1))
    assert fold.draws(edit(2, 1, 3, None)) == []
    deletion = Event("message.deleted", seq=3, message_seq=1, changed_seq=3, epoch="e1")
    assert [draw.kind for draw in fold.draws(deletion)] == [Kind.CHANGED]
    assert fold.draws(deletion) == []


def test_a_change_of_a_message_that_was_never_met_is_drawn() -> None:
    assert [draw.kind for draw in Fold().draws(edit(9, 1, 9))] == [Kind.CHANGED]


def test_what_is_no_message_is_always_added() -> None:
    joined = Event("member.joined", seq=4, epoch="e1", user="carol")
    assert [draw.kind for draw in Fold().draws(joined)] == [Kind.ADDED]


def test_only_so_many_messages_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "FOLDED_MAX", 2)
    small = Fold()
    for seq in (1, 2, 3):
        small.draws(message(seq, seq))
    assert small.draws(message(2, 2)) == []
    assert len(small.draws(message(1, 1))) == 1
