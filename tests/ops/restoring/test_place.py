"""A restore finds the replica where the supervisor writes it, with the same words, keys and variables."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from chat.settings import BadSetting, Settings
from ops import restore
from ops.restore_place import place_of
from ops.restoring import binary
from ops.restoring.place import Place
from ops.restoring.refusal import Misused, Refused
from ops.supervising.target import PASSWORD, target_of
from tests.support.server import palaver

SECRET = 'hidden"\\$HOME'
ADDED = "GOOGLE_APPLICATION_CREDENTIALS=/etc/google.json HTTPS_PROXY='http://proxy with a blank'"
OPTIONS = "key-path=/etc/id host-key='ssh-ed25519 AAAA'"
TARGETS = (
    "",
    "/var/copies",
    "file:///var/a%20folder",
    "s3://bucket/chat",
    "s3://bucket?endpoint=store:9000&forcePathStyle=true",
    "gs://bucket/a/b/",
    "abs://account@container/chat",
    "abs://container/chat",
    "oss://bucket/chat",
    "sftp://me@host:22/chat",
    "webdav://me@host/chat",
    "webdavs://me@host/chat",
    "nats://me@host:4222/bucket",
)


def supervised(settings: Settings) -> dict[str, object]:
    """Return what the supervisor tells Litestream of main.db's replica, with the password in its place."""
    target = target_of(settings)
    entry: dict[str, object] = msgspec.to_builtins(target.of("main"))
    hidden = target.environment.get(PASSWORD, "")
    return {
        key: json.loads(f'"{hidden}"') if value == f"${{{PASSWORD}}}" else value
        for key, value in entry.items()
    }


@pytest.mark.parametrize("style", ["auto", "yes", "no"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_restore_reads_where_the_supervisor_writes(target: str, style: str, tmp_path: Path) -> None:
    variables = {
        "PALAVER_DATA": str(tmp_path),
        "PALAVER_REPLICA": target,
        "PALAVER_REPLICA_ENDPOINT": "https://store.example" if target.startswith("s3:") else "",
        "PALAVER_REPLICA_REGION": "here" if target.startswith("s3:") else "",
        "PALAVER_REPLICA_ACCESS_KEY_ID": "id-id",
        "PALAVER_REPLICA_SECRET_ACCESS_KEY": SECRET,
        "PALAVER_REPLICA_PATH_STYLE": style,
        "PALAVER_REPLICA_ENVIRONMENT": ADDED,
        "PALAVER_REPLICA_OPTIONS": OPTIONS if target.startswith("sftp:") else "",
    }
    settings = Settings.from_environment(variables)
    for place in (place_of(settings), Place.of(variables)):
        assert binary.replica(place, "main") == supervised(settings)
        told = binary.environment(place)
        known = target_of(settings).environment
        assert {name: told.get(name) for name in known if name != PASSWORD} == {
            name: value for name, value in known.items() if name != PASSWORD
        }


@pytest.mark.parametrize(("added", "reason"), [("A='open", "cannot be read"), ("no-equals", "NAME=value")])
def test_a_restore_refuses_variables_that_cannot_be_read(added: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=reason):
        binary.environment(replace(Place(data=tmp_path), environment=added))


def test_a_restore_refuses_an_option_that_litestream_would_ignore(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no option of sftp"):
        binary.replica(Place(data=tmp_path, replica="sftp://me@host/x", options="colour=red"), "main")


MISTYPED = (
    "s3:/bucket/chat",
    "s3:bucket",
    "S3://bucket/chat",
    "sftp:me:hidden@host/chat",
    "file:/var/copies",
)
FOLDERS = ("copies", "b/chat", "/var/copies", "./s3:/b", "../copies:2026", "/a:b/c")


@pytest.mark.parametrize("replica", MISTYPED)
def test_what_looks_like_a_url_and_is_none_is_no_folder(replica: str) -> None:
    settings = Settings(replica=replica)
    scheme = replica.partition(":")[0]
    for read in (lambda: target_of(settings), lambda: place_of(settings).target):
        with pytest.raises(
            (BadSetting, Misused), match=rf"begins with {scheme}: .*Write {scheme.lower()}://"
        ) as refused:
            read()
        assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("replica", FOLDERS)
def test_a_folder_is_told_from_the_root_on(replica: str) -> None:
    settings = Settings(replica=replica)
    assert target_of(settings).shown == place_of(settings).target == str(Path(replica).absolute())


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "serve --restore-if-missing",
        "replicate",
        "migrate",
        "snapshots",
        "drill",
        "restore --latest --in-place --yes",
        "restore persona luna --at -1m --yes",
    ],
)
def test_a_mistyped_target_ends_every_command_that_asks_it(tmp_path: Path, command: str) -> None:
    variables = {"PALAVER_DATA": str(tmp_path / "data"), "PALAVER_REPLICA": "s3:/bucket/chat"}
    (tmp_path / "data").mkdir()
    done = subprocess.run(
        palaver(*command.split()),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, "Write s3://" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    assert not (tmp_path / "s3:").exists()
    assert not (tmp_path / "data" / "main.db").exists()


def test_the_program_that_needs_nothing_refuses_a_mistyped_target(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", str(tmp_path), "--replica", "s3:/bucket", "--latest", "--dry-run"]
    assert restore.main(words) == 2
    assert "Write s3://" in capsys.readouterr().err
