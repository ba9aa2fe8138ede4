from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from chat.settings import Settings
from ops.examining import place
from ops.examining.findings import Finding
from storage import engine

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export /srv nfs4 rw 0 0
/dev/sdb1 /srv/local\\040disk xfs rw 0 0
tmpfs /run tmpfs rw 0 0
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    file = tmp_path / "mounts"
    file.write_text(MOUNTS)
    return file


def bad(data: Path) -> list[Finding]:
    """What is wrong with the folder; the machine that the tests run on is not looked at."""
    found = place.findings(Settings(data=str(data)))
    return [finding for finding in found if not finding.ok and finding.subject.startswith(str(data))]


def test_a_folder_of_our_own_has_nothing_wrong(data: Path) -> None:
    (data / "main.db").touch(mode=0o600)
    (data / "secret").touch(mode=0o600)

    assert bad(data) == []


def test_a_folder_that_is_not_there_yet_is_a_warning(tmp_path: Path) -> None:
    (finding,) = bad(tmp_path / "nowhere")

    assert (finding.level, finding.what) == ("warning", "is not there")


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    (finding,) = bad(tmp_path / "data")

    assert (finding.level, finding.what) == ("error", "is not a folder")


def test_a_folder_that_everybody_can_write_to_is_an_error_that_says_how_to_close_it(data: Path) -> None:
    data.chmod(0o777)

    (finding,) = bad(data)

    assert (finding.level, finding.do) == ("error", f"chmod o-w {data}")


def test_what_this_user_may_not_touch_is_an_error(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "main.db").touch(mode=0o600)
    (data / "secret").touch(mode=0o600)
    # The superuser may touch everything, and tests run as the superuser too.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) == data)

    assert [(finding.check, finding.level) for finding in bad(data)] == [
        ("secret", "error"),
        ("file", "error"),
    ]

    monkeypatch.setattr(os, "access", lambda path, mode: False)

    assert [(finding.check, finding.level) for finding in bad(data)] == [("folder", "error")]


@pytest.mark.parametrize(
    ("mode", "level"), [(0o600, "ok"), (0o400, "ok"), (0o640, "warning"), (0o644, "error")]
)
def test_the_secret_is_for_its_owner_alone(data: Path, mode: int, level: str) -> None:
    (data / "secret").touch()
    (data / "secret").chmod(mode)

    assert [finding.level for finding in place.secret(data / "secret")] == [level]


def test_a_secret_that_is_not_made_yet_is_nothing_to_speak_of(data: Path) -> None:
    assert list(place.secret(data / "secret")) == []


def test_a_folder_in_the_place_of_a_database_is_an_error(data: Path) -> None:
    (data / "main.db").mkdir()

    (finding,) = bad(data)

    assert (finding.check, finding.what) == ("file", "is not a file")


def test_a_database_that_everybody_can_write_to_is_an_error(data: Path) -> None:
    (data / "persona_ada.db").touch()
    (data / "persona_ada.db").chmod(0o666)

    (finding,) = bad(data)

    assert (finding.level, finding.do) == ("error", f"chmod 600 {data / 'persona_ada.db'}")


def test_a_database_that_everybody_can_read_is_a_warning(data: Path) -> None:
    (data / "main.db").touch()
    (data / "main.db").chmod(0o644)
    assert bad(data) == []

    data.chmod(0o755)

    assert [(finding.level, finding.check) for finding in bad(data)] == [("warning", "file")]


@pytest.mark.parametrize(
    ("folder", "level", "text"),
    [
        ("/var/lib/palaver", "ok", "ext4"),
        ("/srv/palaver", "warning", "nfs4"),
        ("/srv", "warning", "nfs4"),
        ("/srv/local disk/palaver", "ok", "xfs"),
        ("/srvice", "ok", "ext4"),
    ],
)
def test_a_folder_on_a_network_is_a_warning(mounts: Path, folder: str, level: str, text: str) -> None:
    finding = place.file_system(Path(folder), mounts)

    assert finding.level == level
    assert text in finding.what


def test_a_system_that_does_not_list_its_mounts_is_believed(tmp_path: Path) -> None:
    finding = place.file_system(tmp_path, tmp_path / "no-such-list")

    assert (finding.level, finding.what) == ("ok", "unknown")


def test_a_disk_that_is_nearly_full_is_a_warning(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "DISK_FREE_BYTES_MIN", 2**62)

    assert place.disk(data).level == "warning"


@pytest.mark.parametrize(("now_s", "level"), [(0.0, "warning"), (1_800_000_000.0, "ok")])
def test_a_clock_that_stands_before_this_program_was_written_is_a_warning(now_s: float, level: str) -> None:
    assert place.clock(now_s).level == level


def test_a_limit_of_open_files_below_the_connections_is_a_warning() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    assert place.descriptors(1).level == "ok"
    assert hard == resource.RLIM_INFINITY or place.descriptors(hard).level == "warning"


def test_the_sqlite_in_place_is_new_enough() -> None:
    assert place.sqlite().level == "ok"


def test_a_sqlite_that_is_too_old_is_an_error_that_says_how_to_get_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "SQLITE_VERSION_MIN", (99, 0, 0))

    finding = place.sqlite()

    assert finding.level == "error"
    assert "pip install" in finding.what
