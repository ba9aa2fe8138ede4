from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from storage.moment import CopyFailed, Moment, damage_of
from tests.support.files import connect, last_seq, make_file, send, set_meta

BUSY_TIMEOUT_MS = 5000


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "main.db", tmp_path / "persona_ada.db", tmp_path / "persona_bob.db"]
    for file in found:
        make_file(file, messages=1)
    return found


def test_a_copy_is_of_the_moment_and_not_of_what_was_committed_since(
    files: list[Path], tmp_path: Path
) -> None:
    with closing(connect(files[0])) as writer, Moment(files, BUSY_TIMEOUT_MS) as moment:
        send(writer, 2)
        moment.copy(files[0], tmp_path / "copy")

    assert (last_seq(tmp_path / "copy"), last_seq(files[0])) == (1, 2)


def test_no_commit_falls_between_two_files(files: list[Path], tmp_path: Path) -> None:
    """A writer that goes round the files in order: of one moment, a file is never ahead of the one before it."""
    stop = threading.Event()
    stop_error: list[BaseException] = []

    def write_round() -> None:
        try:
            connections = [connect(file) for file in files]
            seq = 1
            while not stop.is_set():
                seq += 1
                for connection in connections:
                    send(connection, seq)
            for connection in connections:
                connection.close()
        except BaseException as error:
            stop_error.append(error)

    writer = threading.Thread(target=write_round)
    writer.start()
    try:
        seen = []
        for index in range(20):
            with Moment(files, BUSY_TIMEOUT_MS) as moment:
                copies = [tmp_path / f"{index}-{file.name}" for file in files]
                for file, copy in zip(files, copies, strict=True):
                    moment.copy(file, copy)
            seen.append([last_seq(copy) for copy in copies])
    finally:
        stop.set()
        writer.join()

    assert stop_error == []
    for first, second, third in seen:
        assert first >= second >= third >= first - 1
    assert len({tuple(each) for each in seen}) > 1


def test_read_transactions_alone_would_not_be_of_one_moment(files: list[Path], tmp_path: Path) -> None:
    """The control: without the fence a commit can fall between, and the later file is ahead."""
    with (
        closing(connect(files[0])) as first,
        closing(connect(files[1])) as second,
        Moment(files[:1], BUSY_TIMEOUT_MS) as earlier,
    ):
        send(first, 2)
        send(second, 2)
        with Moment(files[1:2], BUSY_TIMEOUT_MS) as later:
            earlier.copy(files[0], tmp_path / "first")
            later.copy(files[1], tmp_path / "second")

    assert (last_seq(tmp_path / "first"), last_seq(tmp_path / "second")) == (1, 2)


def test_a_writer_that_does_not_end_is_waited_for_and_then_named(files: list[Path]) -> None:
    with closing(connect(files[1])) as writer:
        writer.execute("BEGIN IMMEDIATE")

        with pytest.raises(CopyFailed, match=r"persona_ada\.db: database is locked"), Moment(files, 10):
            pass

        writer.execute("ROLLBACK")
        with Moment(files, 10):
            pass


def test_while_a_moment_is_held_writers_go_on(files: list[Path]) -> None:
    with Moment(files, BUSY_TIMEOUT_MS), closing(connect(files[0])) as writer:
        writer.execute("PRAGMA busy_timeout = 0")
        send(writer, 2)


def test_a_file_tells_where_it_stands(files: list[Path]) -> None:
    with closing(connect(files[0])) as writer:
        set_meta(writer, "heartbeat", 1234)

    with Moment(files, BUSY_TIMEOUT_MS) as moment:
        beaten, never = moment.facts(files[0]), moment.facts(files[1])

    assert (beaten.generation, beaten.epoch, beaten.heartbeat_ms) == (1, "first", 1234)
    assert never.heartbeat_ms == 0
    assert beaten.size_bytes > 0


def test_progress_reaches_the_whole(files: list[Path], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with Moment(files, BUSY_TIMEOUT_MS) as moment:
        moment.copy(files[0], tmp_path / "copy", lambda done, total: told.append((done, total)))

    assert told[-1][0] == told[-1][1] == (tmp_path / "copy").stat().st_size


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "main.db").write_bytes(b"no database " * 1000)

    with (
        pytest.raises(CopyFailed, match=r"main\.db cannot be read"),
        Moment([tmp_path / "main.db"], BUSY_TIMEOUT_MS),
    ):
        pass


def test_a_sound_copy_has_no_damage_and_looking_leaves_nothing_beside_it(
    files: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    with Moment(files, BUSY_TIMEOUT_MS) as moment:
        moment.copy(files[0], folder / "main.db")

    assert damage_of(folder / "main.db") == []
    assert [each.name for each in folder.iterdir()] == ["main.db"]


def test_a_damaged_page_and_a_row_that_refers_to_nothing_are_found(files: list[Path], tmp_path: Path) -> None:
    with closing(connect(files[0])) as writer:
        writer.execute("PRAGMA foreign_keys = OFF")
        writer.execute("DELETE FROM conversations")
    with Moment(files, BUSY_TIMEOUT_MS) as moment:
        moment.copy(files[0], tmp_path / "loose")
        moment.copy(files[1], tmp_path / "torn")
    with (tmp_path / "torn").open("r+b") as raw:
        raw.seek(5 * 4096)
        raw.write(b"x" * 4096)

    assert "messages refers to nothing in conversations" in damage_of(tmp_path / "loose")
    assert damage_of(tmp_path / "torn") != []
