from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storage.engine import sqlite3
from storage.migrate import APPLICATION_ID, MigrationRefused, migrate, pending, shipped, status

if TYPE_CHECKING:
    from sqlite3 import Connection
    from threading import Barrier

NOTES = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT) STRICT;\n"
TITLES = "ALTER TABLE notes ADD COLUMN title TEXT;\n"
PROCESSES = 4

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def into_a_folder(folder: str = "migrations", **scripts: str) -> Path:
        (tmp_path / folder).mkdir()
        for name, script in scripts.items():
            (tmp_path / folder / f"{name.removeprefix('_')}.sql").write_text(script)
        return tmp_path / folder

    return into_a_folder


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with closing(connect(tmp_path / "main.db")) as opened:
        yield opened


def connect(file: Path) -> Connection:
    opened: Connection = sqlite3.connect(str(file), isolation_level=None)
    opened.execute("PRAGMA foreign_keys = ON")
    return opened


def tables(connection: Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def pragma(connection: Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def test_an_empty_database_is_brought_to_the_schema_that_is_shipped(connection: Connection) -> None:
    done = migrate(connection, shipped())

    assert [migration.number for migration in done] == list(range(1, len(done) + 1))
    assert {"conversations", "messages", "schema_migrations"} <= tables(connection)
    assert pending(connection, shipped()) == []


def test_each_migration_is_recorded_with_its_checksum_and_time(connection: Connection, write: Write) -> None:
    migrate(connection, write(_0001_notes=NOTES, _0002_titles=TITLES))

    rows = connection.execute("SELECT number, name, checksum FROM schema_migrations").fetchall()

    assert rows == [
        (1, "notes", hashlib.sha256(NOTES.encode()).hexdigest()),
        (2, "titles", hashlib.sha256(TITLES.encode()).hexdigest()),
    ]


def test_the_database_says_whose_it_is_and_how_far_it_came(connection: Connection, write: Write) -> None:
    migrate(connection, write(_0001_notes=NOTES, _0002_titles=TITLES))

    assert pragma(connection, "application_id") == APPLICATION_ID
    assert pragma(connection, "user_version") == 2


def test_only_what_is_pending_is_applied(connection: Connection, write: Write) -> None:
    migrate(connection, write("old", _0001_notes=NOTES))
    folder = write("new", _0001_notes=NOTES, _0002_titles=TITLES)

    assert [migration.file for migration in pending(connection, folder)] == ["0002_titles.sql"]
    assert [migration.file for migration in migrate(connection, folder)] == ["0002_titles.sql"]
    assert migrate(connection, folder) == []


def test_the_status_tells_what_was_applied_and_what_was_not(connection: Connection, write: Write) -> None:
    migrate(connection, write("old", _0001_notes=NOTES))

    first, second = status(connection, write("new", _0001_notes=NOTES, _0002_titles=TITLES))

    assert first[:2] == (1, "notes")
    assert first[2] is not None
    assert second == (2, "titles", None)


def test_the_status_of_a_database_not_yet_made_is_all_pending(connection: Connection, write: Write) -> None:
    assert status(connection, write(_0001_notes=NOTES)) == [(1, "notes", None)]
    assert tables(connection) == set()


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM notes; DELETE FROM notes; END;\n",
        "INSERT INTO notes (text) VALUES ('a; b');\nINSERT INTO notes (text) VALUES (';')",
        "-- one; two\nINSERT INTO notes (text) VALUES ('x'); -- three; four\n/* five; */\n",
        "\n\n;;\n",
    ],
    ids=["trigger", "string", "comment", "nothing"],
)
def test_semicolons_inside_statements_do_not_split_them(
    connection: Connection, write: Write, script: str
) -> None:
    migrate(connection, write(_0001_notes=NOTES, _0002_more=script))

    assert pragma(connection, "user_version") == 2


def test_a_failing_statement_undoes_its_whole_migration_and_is_named(
    connection: Connection, write: Write
) -> None:
    folder = write(
        _0001_notes=NOTES, _0002_bad="CREATE TABLE kept (x);\n\nINSERT INTO nowhere\n  VALUES (1);\n"
    )

    with pytest.raises(MigrationRefused, match=r"0002_bad\.sql, line 4: .*INSERT INTO nowhere VALUES"):
        migrate(connection, folder)

    assert tables(connection) == {"notes", "schema_migrations"}
    assert not connection.in_transaction
    assert pragma(connection, "user_version") == 1


@pytest.mark.parametrize("word", ["COMMIT", "ROLLBACK", "END"])
def test_a_migration_may_not_end_its_transaction(connection: Connection, write: Write, word: str) -> None:
    with pytest.raises(MigrationRefused, match="must not end it"):
        migrate(connection, write(_0001_notes=f"{word};\n{NOTES}"))

    assert tables(connection) == set()


def test_an_applied_file_that_was_changed_is_refused(connection: Connection, write: Write) -> None:
    migrate(connection, write("old", _0001_notes=NOTES))

    with pytest.raises(MigrationRefused, match=r"0001_notes\.sql is not what .*main\.db was given"):
        pending(connection, write("new", _0001_notes=NOTES + "-- a word more\n"))


def test_an_applied_file_that_was_renamed_is_refused(connection: Connection, write: Write) -> None:
    migrate(connection, write("old", _0001_notes=NOTES))

    with pytest.raises(MigrationRefused, match=r"was given as 0001_notes\.sql"):
        migrate(connection, write("new", _0001_remarks=NOTES))


def test_a_missing_file_is_refused(connection: Connection, write: Write) -> None:
    migrate(connection, write("old", _0001_notes=NOTES, _0002_titles=TITLES))

    with pytest.raises(MigrationRefused, match="Migration 0001 is missing"):
        migrate(connection, write("new", _0002_titles=TITLES))


def test_numbers_with_a_gap_are_refused(connection: Connection, write: Write) -> None:
    with pytest.raises(MigrationRefused, match=r"Migration 0002 is missing .*0003_titles\.sql"):
        migrate(connection, write(_0001_notes=NOTES, _0003_titles=TITLES))


def test_a_number_given_twice_is_refused(connection: Connection, write: Write) -> None:
    with pytest.raises(MigrationRefused, match="two migrations 0001"):
        migrate(connection, write(_0001_notes=NOTES, _0001_titles=TITLES))


def test_a_file_that_is_not_named_by_the_rule_is_refused(connection: Connection, write: Write) -> None:
    with pytest.raises(MigrationRefused, match=r"titles\.sql is not named like"):
        migrate(connection, write(_0001_notes=NOTES, _titles=TITLES))


def test_a_folder_without_migrations_is_refused(connection: Connection, write: Write) -> None:
    with pytest.raises(MigrationRefused, match="There are no migrations"):
        migrate(connection, write())


def test_a_database_of_a_newer_program_is_refused(connection: Connection, write: Write) -> None:
    migrate(connection, write("new", _0001_notes=NOTES, _0002_titles=TITLES))

    with pytest.raises(MigrationRefused, match=r"newer Palaver \(0002_titles\.sql; this one knows 1\)"):
        migrate(connection, write("old", _0001_notes=NOTES))


def test_a_record_with_a_hole_is_refused(connection: Connection, write: Write) -> None:
    folder = write(_0001_notes=NOTES, _0002_titles=TITLES)
    migrate(connection, folder)
    connection.execute("DELETE FROM schema_migrations WHERE number = 1")

    with pytest.raises(MigrationRefused, match=r"records 0002_titles\.sql but not 0001_notes\.sql"):
        migrate(connection, folder)


def test_somebody_elses_database_is_left_alone(connection: Connection, write: Write) -> None:
    connection.execute("CREATE TABLE theirs (x)")

    with pytest.raises(MigrationRefused, match="is not a Palaver database"):
        migrate(connection, write(_0001_notes=NOTES))

    assert tables(connection) == {"theirs"}
    assert pragma(connection, "application_id") == 0


def test_an_empty_database_with_the_mark_of_others_is_refused(connection: Connection, write: Write) -> None:
    connection.execute("PRAGMA application_id = 7")

    with pytest.raises(MigrationRefused, match="is not a Palaver database"):
        migrate(connection, write(_0001_notes=NOTES))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, write: Write) -> None:
    (tmp_path / "main.db").write_bytes(b"not a database, whatever its name" * 100)

    with (
        closing(sqlite3.connect(str(tmp_path / "main.db"), isolation_level=None)) as opened,
        pytest.raises(MigrationRefused, match="cannot be read"),
    ):
        migrate(opened, write(_0001_notes=NOTES))


def test_a_database_that_another_program_holds_is_refused(
    connection: Connection, tmp_path: Path, write: Write
) -> None:
    folder = write(_0001_notes=NOTES)
    connection.execute("PRAGMA busy_timeout = 1")
    with closing(connect(tmp_path / "main.db")) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(MigrationRefused, match=r"cannot be written \(database is locked\)"):
            migrate(connection, folder)


def test_a_table_that_others_refer_to_can_be_rebuilt(connection: Connection, write: Write) -> None:
    rebuild = """
        CREATE TABLE mended (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
        INSERT INTO mended SELECT id, text FROM notes;
        DROP TABLE notes;
        ALTER TABLE mended RENAME TO notes;
    """
    stars = "CREATE TABLE stars (note INTEGER REFERENCES notes);"
    rows = "INSERT INTO notes VALUES (1, 'a'); INSERT INTO stars VALUES (1);"

    migrate(connection, write(_0001_notes=NOTES, _0002_stars=stars, _0003_rows=rows, _0004_rebuild=rebuild))

    assert connection.execute("SELECT text FROM notes JOIN stars ON note = id").fetchall() == [("a",)]
    assert pragma(connection, "foreign_keys") == 1


def test_a_migration_that_breaks_a_reference_is_undone(connection: Connection, write: Write) -> None:
    stars = "CREATE TABLE stars (note INTEGER REFERENCES notes);"

    with pytest.raises(MigrationRefused, match="a row of stars would refer to a missing row of notes"):
        migrate(
            connection,
            write(_0001_notes=NOTES, _0002_stars=stars, _0003_bad="INSERT INTO stars VALUES (9);"),
        )

    assert connection.execute("SELECT count(*) FROM stars").fetchone() == (0,)
    assert pragma(connection, "foreign_keys") == 1


def migrate_in_a_process(file: Path, folder: Path, barrier: Barrier) -> int:
    with closing(connect(file)) as opened:
        opened.execute("PRAGMA busy_timeout = 30000")
        barrier.wait()
        return len(migrate(opened, folder))


def test_servers_that_start_at_once_apply_each_migration_once(tmp_path: Path, write: Write) -> None:
    scripts = {f"_{number:04}_table": f"CREATE TABLE t{number} (x);" for number in range(1, 21)}
    folder = write(**scripts)
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(PROCESSES) as pool:
        barrier = manager.Barrier(PROCESSES)
        jobs = [(tmp_path / "main.db", folder, barrier)] * PROCESSES
        applied = pool.starmap(migrate_in_a_process, jobs)

    assert sum(applied) == len(scripts)
    with closing(connect(tmp_path / "main.db")) as opened:
        assert pragma(opened, "user_version") == len(scripts)
