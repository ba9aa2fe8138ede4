from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from storage.readers import readers_of
from tests.support.files import connect, make_file

READ = """
import sys, storage.engine
connection = storage.engine.sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM messages").fetchone()
print("reading", flush=True)
sys.stdin.read()
"""


def test_a_process_inside_a_read_transaction_is_named(tmp_path: Path) -> None:
    file = tmp_path / "main.db"
    make_file(file)
    with subprocess.Popen(
        [sys.executable, "-c", READ, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"reading\n"

        found = readers_of(file)

        reader.communicate()
    assert found == [reader.pid]


def test_an_open_connection_that_does_not_read_is_not_named(tmp_path: Path) -> None:
    file = tmp_path / "main.db"
    make_file(file)
    connection = connect(file)

    assert readers_of(file) == []

    connection.close()


def test_without_a_wal_index_nobody_reads(tmp_path: Path) -> None:
    assert readers_of(tmp_path / "main.db") == []
