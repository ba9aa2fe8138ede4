from __future__ import annotations

import json
import logging
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

import storage.migrate
from chat.settings import Settings
from ops.cli import app
from ops.doctor import StartRefused, check_start, findings, healthy
from ops.examining.findings import Finding
from storage.engine import sqlite3
from storage.lock import FileLock
from storage.migrate import migrate, shipped
from tests.support.server import Server, palaver

if TYPE_CHECKING:
    from sqlite3 import Connection

UPKEEP = {"backup", "secret's copy", "replica", "replica's disk", "drill"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=str(tmp_path / "data"), connections_max=1)


@pytest.fixture
def database(settings: Settings) -> Iterator[Connection]:
    """A migrated main.db in a data folder that a start has made."""
    check_start(settings)
    with closing(connect(settings, "main.db")) as connection:
        migrate(connection, shipped())
        yield connection


def connect(settings: Settings, name: str) -> Connection:
    connection: Connection = sqlite3.connect(str(Path(settings.data) / name), isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def found(settings: Settings, check: str) -> Finding:
    (finding,) = [finding for finding in findings(settings) if finding.check == check]
    return finding


def bad(settings: Settings) -> list[tuple[str, str]]:
    """Return what must be mended in the place or in a database; upkeep has tests of its own."""
    return [
        (finding.check, finding.level)
        for finding in findings(settings)
        if not finding.ok and finding.check not in UPKEEP
    ]


def doctor(settings: Settings, *arguments: str) -> Result:
    environment = {"PALAVER_DATA": settings.data, "PALAVER_CONNECTIONS_MAX": "1"}
    return CliRunner().invoke(app, ["doctor", *arguments], env=environment)


def test_a_start_makes_its_folder_for_its_owner_alone(settings: Settings) -> None:
    check_start(settings)

    assert stat.S_IMODE(Path(settings.data).stat().st_mode) == 0o700


def test_a_start_leaves_a_folder_that_is_there_as_it_is(settings: Settings) -> None:
    Path(settings.data).mkdir(mode=0o750)

    check_start(settings)

    assert stat.S_IMODE(Path(settings.data).stat().st_mode) == 0o750


def test_a_start_whose_folder_cannot_be_made_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StartRefused, match=r"cannot be made .*PALAVER_DATA"):
        check_start(Settings(data=str(tmp_path / "file" / "data")))


def test_a_start_is_refused_with_every_reason_and_its_remedy(settings: Settings) -> None:
    check_start(settings)
    Path(settings.data, "main.db").mkdir()
    Path(settings.data, "secret").touch()
    Path(settings.data, "secret").chmod(0o644)

    with pytest.raises(StartRefused) as refusal:
        check_start(settings)

    secret, database = str(refusal.value).splitlines()
    assert secret.endswith(f"chmod 600 {settings.data}/secret")
    assert database.startswith(f"{settings.data}/main.db: file: is not a file.")


def test_a_start_goes_on_over_a_warning_and_logs_it(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    check_start(settings)
    Path(settings.data, "secret").touch()
    Path(settings.data, "secret").chmod(0o640)

    with caplog.at_level(logging.WARNING, "palaver.doctor"):
        check_start(settings)

    assert "is open to others (mode 640)" in caplog.text


def test_a_good_start_says_nothing(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    check_start(settings)

    assert caplog.records == []


def test_a_sound_folder_is_healthy(settings: Settings, database: Connection) -> None:
    assert bad(settings) == []
    assert healthy(findings(settings))


def test_a_folder_without_databases_is_healthy_too(settings: Settings) -> None:
    check_start(settings)

    assert healthy(findings(settings))
    assert found(settings, "databases").level == "ok"


def test_looking_makes_no_folder(settings: Settings) -> None:
    findings(settings)

    assert not Path(settings.data).exists()


def test_every_database_of_the_folder_is_looked_into(settings: Settings, database: Connection) -> None:
    with closing(connect(settings, "persona_ada.db")) as ada:
        migrate(ada, shipped())

    looked_into = {Path(finding.subject).name for finding in findings(settings) if finding.check == "schema"}

    assert looked_into == {"main.db", "persona_ada.db"}


def test_an_empty_database_is_an_error_that_names_the_command(
    settings: Settings,
) -> None:
    check_start(settings)
    connect(settings, "main.db").close()

    finding = found(settings, "schema")

    assert (finding.level, finding.do) == ("error", "`palaver migrate` makes it.")


def test_a_migration_that_is_not_applied_yet_is_a_warning(
    settings: Settings, database: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = shutil.copytree(shipped(), tmp_path / "newer")
    (newer / f"{len(list(newer.glob('*.sql'))) + 1:04}_later.sql").write_text("CREATE TABLE later (x);")
    monkeypatch.setattr(storage.migrate, "shipped", lambda: newer)

    finding = found(settings, "schema")

    assert finding.level == "warning"
    assert "later not applied yet" in finding.what


def test_a_database_of_a_newer_program_is_an_error(settings: Settings, database: Connection) -> None:
    database.execute("INSERT INTO schema_migrations VALUES (9999, 'later', 'x', 0)")

    finding = found(settings, "schema")

    assert finding.level == "error"
    assert "newer Palaver" in finding.what


def test_somebody_else_s_database_is_an_error(settings: Settings) -> None:
    check_start(settings)
    with closing(connect(settings, "main.db")) as theirs:
        theirs.execute("CREATE TABLE theirs (x)")

    assert "is not a Palaver database" in found(settings, "schema").what


def test_a_file_that_is_no_database_is_an_error(settings: Settings) -> None:
    check_start(settings)
    Path(settings.data, "main.db").write_bytes(b"no database " * 1000)

    assert found(settings, "open").level == "error"


def test_a_journal_mode_other_than_wal_is_an_error(settings: Settings, database: Connection) -> None:
    database.execute("PRAGMA journal_mode = DELETE")

    assert found(settings, "PRAGMA journal_mode").what == "is delete, not wal"


def test_a_broken_invariant_is_an_error(settings: Settings, database: Connection) -> None:
    database.executescript("""
        INSERT INTO generations VALUES (1, 'e', 'start', 0, 'test', 'full', 'accept', NULL, 'apply');
        INSERT INTO users VALUES (1, 'alice');
        INSERT INTO conversations (uuid, kind, creator, last_seq, generation, created_ms, updated_ms)
        VALUES (randomblob(16), 'chat', 1, 7, 1, 0, 0);
    """)

    finding = found(settings, "gaps")

    assert finding.level == "error"
    assert finding.what.endswith("(7)")


def test_a_reference_to_nothing_is_an_error(settings: Settings, database: Connection) -> None:
    database.execute("INSERT INTO members VALUES (1, 1, 'owner', 0, 0)")

    assert "members → conversations" in found(settings, "references").what


def test_a_damaged_page_is_an_error(settings: Settings, database: Connection) -> None:
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    with Path(settings.data, "main.db").open("r+b") as raw:
        raw.seek(3 * 4096)
        raw.write(os.urandom(4096))

    assert found(settings, "quick_check").level == "error"


def test_a_wal_that_nobody_copies_back_is_a_warning(settings: Settings, database: Connection) -> None:
    small = Settings(data=settings.data, connections_max=1, journal_size_limit_bytes=1)

    assert found(small, "WAL").level == "warning"


def test_the_process_that_serves_a_database_is_named(settings: Settings, database: Connection) -> None:
    lock = FileLock(Path(settings.data, "main.db"))
    lock.acquire()

    assert found(settings, "server").what == f"served by process {os.getpid()}"
    lock.release()
    assert found(settings, "server").what == "not being served"


def test_the_command_prints_what_it_found_and_ends_well(settings: Settings, database: Connection) -> None:
    run = doctor(settings)

    assert run.exit_code == 0
    assert f"{settings.data}/main.db" in run.stdout
    assert "every page is sound" in run.stdout


def test_the_command_ends_with_1_and_a_remedy_where_something_must_be_mended(settings: Settings) -> None:
    check_start(settings)
    connect(settings, "main.db").close()

    run = doctor(settings)

    assert run.exit_code == 1
    assert "→ `palaver migrate` makes it." in run.stdout


def test_the_command_speaks_json(settings: Settings, database: Connection) -> None:
    report: dict[str, Any] = json.loads(doctor(settings, "--json").stdout)

    assert report["ok"] is True
    assert {"subject", "check", "level", "what", "do"} == set(report["findings"][0])


def test_the_command_works_beside_a_running_server_and_names_it(server: Server) -> None:
    # A process of its own, as in life: in the server's own, closing the file would drop its locks.
    run = subprocess.run(
        palaver("doctor", "--json"), env=server.environment(), capture_output=True, text=True, check=False
    )

    report = json.loads(run.stdout)
    assert (run.returncode, report["ok"]) == (0, True)
    assert f"served by process {server.pid}" in [finding["what"] for finding in report["findings"]]
