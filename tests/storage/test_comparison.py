from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from storage.comparison import Compared, ComparisonFailed, Stand, compare, stand_of
from tests.support.files import connect, make_file, send, set_meta

EDIT_2 = """
INSERT INTO changes VALUES (1, 4, 'message.edited', 2, 1, NULL, NULL, NULL, 1, 0);
UPDATE messages SET content = 'edited', changed_seq = 4 WHERE seq = 2;
UPDATE conversations SET last_seq = 4;
"""


@pytest.fixture
def live(tmp_path: Path) -> Path:
    path = tmp_path / "main.db"
    make_file(path, messages=3)
    return path


@pytest.fixture
def copy(live: Path, tmp_path: Path) -> Path:
    """What the live database was a moment ago."""
    return Path(shutil.copy(live, tmp_path / "copy.db"))


def change(path: Path, script: str) -> None:
    with closing(connect(path)) as connection:
        connection.executescript(script)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_a_copy_is_like_the_live_database_and_every_event_is_counted(live: Path, copy: Path) -> None:
    assert compare(copy, live) == Compared(events=3)


def test_what_came_later_is_no_difference(live: Path, copy: Path) -> None:
    with closing(connect(live)) as connection:
        send(connection, 4)

    assert compare(copy, live) == Compared(events=3)


def test_what_was_edited_later_is_no_difference(live: Path, copy: Path) -> None:
    change(live, EDIT_2)

    assert compare(copy, live) == Compared(events=3)


def test_what_was_purged_later_is_no_difference(live: Path, copy: Path) -> None:
    change(live, "DELETE FROM messages WHERE seq = 1; UPDATE conversations SET first_seq = 2")

    assert compare(copy, live).differences == ()


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE messages SET content = 'other' WHERE seq = 2", "messages: {} (2)"),
        ("UPDATE messages SET fingerprint = x'01' WHERE seq = 2", "messages: {} (2)"),
        ("UPDATE messages SET seq = 7, changed_seq = 7 WHERE seq = 2", "messages: {} (7)"),
        ("UPDATE conversations SET last_seq = 9", "conversations: {} (9)"),
        ("UPDATE conversations SET uuid = zeroblob(16)", "conversations: "),
        (EDIT_2, "conversations: {} (4)"),
    ],
    ids=["content", "fingerprint", "row of nobody", "too far", "another conversation", "an edit of nobody"],
)
def test_a_copy_that_says_something_else_differs(live: Path, copy: Path, damage: str, found: str) -> None:
    change(copy, damage)
    with closing(connect(live)) as connection:
        uuid = connection.execute("SELECT uuid FROM conversations").fetchone()[0]
    from chat.ids import conversation_id_of

    differences = compare(copy, live).differences

    assert any(each.startswith(found.format(conversation_id_of("main", uuid))) for each in differences)


def test_a_change_that_differs_is_found_too(live: Path, tmp_path: Path) -> None:
    change(live, EDIT_2)
    copy = Path(shutil.copy(live, tmp_path / "copy.db"))
    change(copy, "UPDATE changes SET kind = 'message.deleted'")

    assert compare(copy, live).differences[0].endswith("(4)")


@pytest.mark.parametrize(
    "opening",
    [
        "INSERT INTO generations VALUES (2, 'second', 'restore', 0, 't', 'full', 'accept', NULL, 'apply')",
        "UPDATE generations SET epoch = 'other'",
    ],
    ids=["put back since", "another past"],
)
def test_pasts_that_parted_are_not_compared(live: Path, copy: Path, opening: str) -> None:
    change(live, opening)

    assert compare(copy, live) == Compared(diverged=True)


def test_a_restart_parts_nothing(live: Path, copy: Path) -> None:
    change(
        live, "INSERT INTO generations VALUES (2, 'second', 'start', 0, 't', 'full', 'accept', NULL, 'apply')"
    )

    assert not compare(copy, live).diverged


def test_how_far_a_file_came_is_told_beside_a_server(live: Path, copy: Path) -> None:
    with closing(connect(live)) as connection:
        send(connection, 4)
        set_meta(connection, "heartbeat", 77)

        assert (stand_of(live, served=True), stand_of(copy, served=False)) == (Stand(5, 77), Stand(4, 0))


def test_what_cannot_be_read_is_said(live: Path, tmp_path: Path) -> None:
    (tmp_path / "no.db").write_bytes(b"no database " * 1000)

    with pytest.raises(ComparisonFailed):
        compare(live, tmp_path / "no.db")
    with pytest.raises(ComparisonFailed):
        stand_of(tmp_path / "no.db", served=True)
    with pytest.raises(ComparisonFailed):
        stand_of(tmp_path / "absent.db", served=True)
