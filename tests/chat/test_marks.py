"""How far each conversation is on the replica: only what a sync proved, and only under one epoch."""

from __future__ import annotations

from chat.marks import Marks
from chat.models import MessageDeleted, RowId
from chat.store import Changed, Committed

E1, E2 = "e1", "e2"


def committed(conversation: str, seq: int, epoch: str = E1) -> Committed:
    event = MessageDeleted(
        conversation_id=conversation,
        seq=seq,
        epoch=epoch,
        message_seq=1,
        changed_seq=seq,
        actor="alice",
        deleted_at=1,
    )
    answer = Changed(conversation_id=conversation, seq=seq, epoch=epoch, version="v", duplicate=False)
    return Committed(answer, (event,))


def test_a_watermark_moves_only_when_what_it_covers_was_proven() -> None:
    marks = Marks()
    marks.note(E1, [committed("a", 1), committed("a", 2), committed("b", 1)])
    assert marks.seq_of("a", E1) is None
    taken = marks.take(E1)
    marks.note(E1, [committed("a", 3)])
    assert marks.prove(taken) == {"a": 2, "b": 1}
    assert (marks.seq_of("a", E1), marks.seq_of("b", E1)) == (2, 1)
    assert not marks.complete
    assert marks.prove(marks.take(E1)) == {"a": 3}
    assert marks.complete


def test_what_a_sync_could_not_prove_is_left_for_the_next() -> None:
    marks = Marks()
    marks.note(E1, [committed("a", 1), committed("b", 1)])
    taken = marks.take(E1)
    marks.note(E1, [committed("a", 2)])
    marks.give_back(taken)
    assert marks.seq_of("a", E1) is None
    assert marks.prove(marks.take(E1)) == {"a": 2, "b": 1}


def test_another_epoch_starts_anew_and_a_sync_of_the_old_one_proves_nothing_of_it() -> None:
    marks = Marks()
    marks.note(E1, [committed("a", 5)])
    marks.prove(marks.take(E1))
    marks.note(E1, [committed("a", 6)])
    taken = marks.take(E1)
    marks.note(E2, [committed("a", 6, E2)])
    assert marks.prove(taken) == {}
    marks.give_back(taken)
    assert (marks.seq_of("a", E1), marks.seq_of("a", E2)) == (None, None)
    assert marks.prove(marks.take(E2)) == {"a": 6}
    assert (marks.seq_of("a", E1), marks.seq_of("a", E2)) == (None, 6)


def test_what_was_there_before_the_epoch_is_proven_by_its_first_sync() -> None:
    marks = Marks()
    old, new = RowId(7, "older"), RowId(8, E1)
    taken = marks.take(E1)
    assert marks.seq_of("a", E1, old) is None
    marks.prove(taken)
    assert marks.seq_of("a", E1, old) == 7
    assert marks.seq_of("a", E1, new) is None
    assert marks.seq_of("empty", E1, RowId(0, "")) == 0


def test_before_any_sync_nothing_is_complete_and_with_nothing_written_one_is_enough() -> None:
    marks = Marks()
    assert not marks.complete
    marks.prove(marks.take(E1))
    assert marks.complete


def test_the_conversations_written_longest_ago_are_forgotten_over_the_bound() -> None:
    marks = Marks(marks_max=2)
    for name in "abc":
        marks.note(E1, [committed(name, 1)])
    assert marks.prove(marks.take(E1)) == {"b": 1, "c": 1}
    marks.note(E1, [committed("b", 2), committed("d", 1)])
    marks.prove(marks.take(E1))
    assert [marks.seq_of(name, E1) for name in "abcd"] == [None, 2, None, 1]
