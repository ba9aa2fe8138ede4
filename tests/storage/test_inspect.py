from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chat.settings import Settings
from storage.engine import sqlite3
from storage.inspect import INVARIANTS, Inspection, InspectionFailed
from storage.migrate import migrate, shipped
from storage.tuning import Tuning

if TYPE_CHECKING:
    from sqlite3 import Connection

TUNING = Tuning.of(Settings(), query_only=True)
CONVERSATION = "main:00010203-0405-0607-0809-0a0b0c0d0e0f"
# Messages 1 and 3, and at 2 the edit of 1: dense, and 1 was changed by 2.
SOUND = """
    INSERT INTO generations (number, epoch, kind, since_ms, cause, synchronous)
    VALUES (1, 'e1', 'start', 0, 'test', 'full');
    INSERT INTO users (number, id) VALUES (1, 'alice');
    INSERT INTO conversations (number, uuid, kind, creator, last_seq, generation, created_ms, updated_ms)
    VALUES (1, x'000102030405060708090a0b0c0d0e0f', 'chat', 1, 3, 1, 0, 0);
    INSERT INTO members (conversation, user, role, read_seq, joined_ms) VALUES (1, 1, 'owner', 3, 0);
    INSERT INTO messages (conversation, seq, sender, client_message_id, fingerprint, role, content_type,
                          content, generation, changed_seq, created_ms)
    VALUES (1, 1, 1, 'a', x'00', 'user', 'text', 'one', 1, 2, 0),
           (1, 3, 1, 'b', x'00', 'user', 'text', 'two', 1, 3, 0);
    INSERT INTO changes (conversation, seq, kind, message_seq, actor, generation, created_ms)
    VALUES (1, 2, 'message.edited', 1, 1, 1, 0);
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "main.db"


@pytest.fixture
def database(file: Path) -> Iterator[Connection]:
    with closing(sqlite3.connect(str(file), isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, shipped())
        connection.executescript(SOUND)
        yield connection


def violations(file: Path) -> dict[str, list[str]]:
    with Inspection(file, TUNING) as inspection:
        found = {name: inspection.violations(name) for name in INVARIANTS}
    return {name: broken for name, broken in found.items() if broken}


def test_a_sound_database_breaks_no_invariant(database: Connection, file: Path) -> None:
    assert violations(file) == {}


@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        ("DELETE FROM messages WHERE seq = 3", {"gaps": [f"{CONVERSATION} (1)"]}),
        (
            "DELETE FROM changes",
            {"gaps": [f"{CONVERSATION} (1)"], "unexplained_changes": [f"{CONVERSATION} (1)"]},
        ),
        (
            "UPDATE changes SET seq = 3",
            {"shared_seqs": [f"{CONVERSATION} (3)"], "unexplained_changes": [f"{CONVERSATION} (1)"]},
        ),
        (
            "UPDATE messages SET seq = 9, changed_seq = 9 WHERE seq = 3",
            {"stray_seqs": [f"{CONVERSATION} (3)"]},
        ),
        (
            "UPDATE conversations SET first_seq = 2",
            {"gaps": [f"{CONVERSATION} (-1)"], "stray_seqs": [f"{CONVERSATION} (3)"]},
        ),
        (
            "UPDATE messages SET changed_seq = 3 WHERE seq = 1",
            {"unexplained_changes": [f"{CONVERSATION} (1)"]},
        ),
        ("UPDATE conversations SET changed_seq = 1", {"unexplained_titles": [f"{CONVERSATION} (1)"]}),
        ("UPDATE members SET read_seq = 4", {"read_too_far": [f"{CONVERSATION} (4)"]}),
    ],
    ids=[
        "lost message",
        "lost change",
        "seq used twice",
        "stray message",
        "stray beginning",
        "wrong change",
        "wrong title",
        "read too far",
    ],
)
def test_each_kind_of_damage_is_found_and_its_conversation_named(
    database: Connection, file: Path, damage: str, broken: dict[str, list[str]]
) -> None:
    database.execute(damage)

    assert violations(file) == broken


def test_what_was_purged_from_the_bottom_is_no_gap(database: Connection, file: Path) -> None:
    database.executescript("DELETE FROM messages WHERE seq = 1; UPDATE conversations SET first_seq = 2")

    assert violations(file) == {}


def test_a_sound_file_has_no_damage_and_no_broken_reference(database: Connection, file: Path) -> None:
    with Inspection(file, TUNING) as inspection:
        assert inspection.damage() == []
        assert inspection.broken_references() == []


def test_a_reference_to_nothing_is_named_by_its_tables(database: Connection, file: Path) -> None:
    database.execute("DELETE FROM members")
    database.execute("DELETE FROM conversations")

    with Inspection(file, TUNING) as inspection:
        assert inspection.broken_references() == ["changes → conversations", "messages → conversations"]


def test_a_page_that_was_overwritten_is_found(file: Path, database: Connection) -> None:
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    with file.open("r+b") as raw:
        raw.seek(3 * 4096)
        raw.write(os.urandom(4096))

    with Inspection(file, TUNING) as inspection:
        assert inspection.damage() != []


def test_the_pragmas_are_those_of_a_server_s_connection(database: Connection, file: Path) -> None:
    with Inspection(file, TUNING) as inspection:
        pragmas = inspection.pragmas()

    assert pragmas["journal_mode"] == "wal"
    assert (pragmas["synchronous"], pragmas["foreign_keys"], pragmas["mmap_size"]) == ("2", "1", "0")


def test_the_journal_mode_is_shown_as_the_file_has_it_and_not_changed(
    file: Path, database: Connection
) -> None:
    database.execute("PRAGMA journal_mode = DELETE")

    with Inspection(file, TUNING) as inspection:
        assert inspection.pragmas()["journal_mode"] == "delete"


def test_an_inspection_cannot_write(database: Connection, file: Path) -> None:
    with Inspection(file, TUNING) as inspection:
        assert inspection.pragmas()["query_only"] == "1"


def test_an_inspection_sees_what_a_running_server_has_just_committed(
    database: Connection, file: Path
) -> None:
    with Inspection(file, TUNING) as inspection:
        database.execute("UPDATE members SET read_seq = 4")

        assert inspection.violations("read_too_far") == [f"{CONVERSATION} (4)"]


def test_an_inspection_stands_in_no_writer_s_way(database: Connection, file: Path) -> None:
    with Inspection(file, TUNING) as inspection:
        inspection.violations("gaps")

        busy, _, _ = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    assert busy == 0


def test_the_migrations_are_told_with_their_times(database: Connection, file: Path) -> None:
    with Inspection(file, TUNING) as inspection:
        steps = inspection.migrations(shipped())

    assert steps[0][:2] == (1, "conversations")
    assert all(applied_ms is not None for _, _, applied_ms in steps)


def test_a_file_that_is_not_there_is_not_made(file: Path) -> None:
    with pytest.raises(InspectionFailed, match="unable to open"):
        Inspection(file, TUNING)

    assert not file.exists()


def test_a_file_that_is_no_database_fails_with_the_reason(file: Path) -> None:
    file.write_bytes(b"no database " * 1000)

    with pytest.raises(InspectionFailed, match="not a database"):
        Inspection(file, TUNING)


def test_a_question_that_sqlite_cannot_answer_fails_with_the_reason(database: Connection, file: Path) -> None:
    database.execute("DROP TABLE members")

    with (
        Inspection(file, TUNING) as inspection,
        pytest.raises(InspectionFailed, match="no such table: members"),
    ):
        inspection.violations("read_too_far")


def test_a_folder_with_odd_characters_is_no_uri(tmp_path: Path) -> None:
    folder = tmp_path / "50% ?mode=rwc#x"
    folder.mkdir()
    with closing(sqlite3.connect(str(folder / "main.db"), isolation_level=None)) as connection:
        migrate(connection, shipped())

    assert violations(folder / "main.db") == {}
