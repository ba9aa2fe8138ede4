"""What is kept on disk survives the death of the process, damage is noticed, and no two readers share a folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from chat.models import RowId
from ops.tail import state as state_module
from ops.tail.ending import Ending, ExitCode
from ops.tail.records import Bookmark, Draft, Owner, Record, Rejected, Settled
from ops.tail.state import State

ALICE = Owner("alice", "main:0192")
AT_FIVE = Bookmark("e1", 5, RowId(6, "e1"), reload_due=False)


def kept(folder: Path, *records: Record) -> None:
    state = State(folder, ALICE)
    state.keep(records, durable=True)
    state.close()


def descriptor_of(path: Path) -> int:
    """Return the descriptor under which this process has a file open."""
    opened = Path("/proc/self/fd")
    return next(int(link.name) for link in opened.iterdir() if link.exists() and link.samefile(path))


def test_a_new_folder_begins_with_a_reload_due_and_belongs_to_its_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    state = State(folder, ALICE)
    assert state.bookmark == Bookmark()
    assert state.bookmark.reload_due
    assert state.drafts == ()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    state.close()


def test_bookmark_and_drafts_are_there_again_in_their_order(tmp_path: Path) -> None:
    kept(tmp_path, Draft("a", "one"), Draft("b", "two"), AT_FIVE, Draft("c", "drei ü"), Settled("b"))
    state = State(tmp_path, ALICE)
    assert state.bookmark == AT_FIVE
    assert state.drafts == (Draft("a", "one"), Draft("c", "drei ü"))
    state.close()


def test_a_draft_that_is_stamped_keeps_its_place(tmp_path: Path) -> None:
    kept(tmp_path, Draft("a", "one"), Draft("b", "two"), Draft("a", "one", "e1"))
    state = State(tmp_path, ALICE)
    assert state.drafts == (Draft("a", "one", "e1"), Draft("b", "two"))
    state.close()


def test_what_was_kept_before_a_crash_is_there_without_a_close(tmp_path: Path) -> None:
    state = State(tmp_path, ALICE)
    state.keep([AT_FIVE], durable=False)
    journal = (tmp_path / "journal.jsonl").read_bytes()
    state.close()
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "journal.jsonl").write_bytes(journal)
    again = State(copy, ALICE)
    assert again.bookmark == AT_FIVE
    again.close()


@pytest.mark.parametrize("torn", [b'{"record":"bookm', b"\0\0\0\0", b'{"record":"bookmark","epoch":"e9"}'])
def test_a_torn_last_line_is_passed_over(tmp_path: Path, torn: bytes) -> None:
    kept(tmp_path, AT_FIVE, Draft("a", "one"))
    with (tmp_path / "journal.jsonl").open("ab") as journal:
        journal.write(torn)
    state = State(tmp_path, ALICE)
    assert state.bookmark == AT_FIVE
    assert state.drafts == (Draft("a", "one"),)
    state.keep([Settled("a")], durable=True)
    state.close()
    again = State(tmp_path, ALICE)
    assert again.drafts == ()
    again.close()


def test_damage_in_the_middle_makes_a_reload_due_and_keeps_the_drafts(tmp_path: Path) -> None:
    kept(tmp_path, AT_FIVE, Draft("a", "one"), Draft("b", "two"))
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"content":"one"', b'"content":"o\0e"'))
    state = State(tmp_path, ALICE)
    assert state.bookmark == Bookmark("e1", 5, RowId(6, "e1"), reload_due=True)
    assert state.drafts == (Draft("b", "two"),)
    state.close()


def test_a_damaged_journal_without_an_owner_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b"nothing\n")
    with pytest.raises(Ending, match="move it away") as ended:
        State(tmp_path, ALICE)
    assert ended.value.code is ExitCode.STATE


def test_a_second_reader_of_the_same_folder_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    first = State(tmp_path, ALICE)
    with pytest.raises(Ending, match=rf"\(pid {os.getpid()}\)") as ended:
        State(tmp_path, ALICE)
    assert ended.value.code is ExitCode.STATE
    first.close()
    State(tmp_path, ALICE).close()


@pytest.mark.parametrize("other", [Owner("bob", "main:0192"), Owner("alice", "main:0193")])
def test_the_folder_of_another_user_or_conversation_is_refused_and_left_alone(
    tmp_path: Path, other: Owner
) -> None:
    kept(tmp_path, Draft("a", "one"))
    with pytest.raises(Ending, match="belongs to alice in main:0192"):
        State(tmp_path, other)
    state = State(tmp_path, ALICE)
    assert state.drafts == (Draft("a", "one"),)
    state.close()


def test_the_journal_is_written_anew_when_it_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "JOURNAL_BYTES_MAX", 500)
    state = State(tmp_path, ALICE)
    state.keep([Draft("a", "one")], durable=True)
    for offset in range(50):
        state.keep([Bookmark("e1", offset, RowId(offset, "e1"), reload_due=False)], durable=False)
        assert (tmp_path / "journal.jsonl").stat().st_size < 1_000
    state.close()
    again = State(tmp_path, ALICE)
    assert again.bookmark.offset == 49
    assert again.drafts == (Draft("a", "one"),)
    again.close()


def test_refused_lines_are_kept_in_a_file_of_their_own(tmp_path: Path) -> None:
    state = State(tmp_path, ALICE)
    path = state.reject(Rejected("a", "one", 413, "too large"))
    state.reject(Rejected("b", "two", 409, "key reused"))
    state.close()
    assert path.read_text() == (
        '{"client_message_id":"a","content":"one","code":413,"reason":"too large"}\n'
        '{"client_message_id":"b","content":"two","code":409,"reason":"key reused"}\n'
    )


def test_a_folder_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(Ending, match="--state") as ended:
        State(in_the_way, ALICE)
    assert ended.value.code is ExitCode.STATE
    with pytest.raises(Ending, match="--state"):
        State(in_the_way / "below", ALICE)


def test_a_full_disk_ends_the_command_with_what_to_do(tmp_path: Path) -> None:
    state = State(tmp_path, ALICE)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, descriptor_of(tmp_path / "journal.jsonl"))
    os.close(full)
    with pytest.raises(Ending, match="No space left") as ended:
        state.keep([AT_FIVE], durable=True)
    assert ended.value.code is ExitCode.STATE
    (tmp_path / "rejected.jsonl").symlink_to("/dev/full")
    with pytest.raises(Ending):
        state.reject(Rejected("a", "one", 413, "too large"))
    state.close()
