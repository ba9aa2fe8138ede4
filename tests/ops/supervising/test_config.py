"""What Litestream is told: keys that it knows, no credential, and every kind of place that it can write to."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from chat.settings import BadSetting, Settings
from ops.supervising.config import UnknownKey, check, render, write
from ops.supervising.target import PASSWORD, target_of
from tests.ops.litestream_world import BINARY

PAGE_BYTES = 4096
SECRET = 'hidden"\\$HOME'


def config_of(settings: Settings, *files: Path) -> str:
    return render(settings, target_of(settings), files, Path("/run/socket")).decode()


def known_to_litestream(settings: Settings, folder: Path, *files: Path) -> str:
    """Return the table of databases that Litestream reads from the configuration."""
    path = folder / "config.json"
    write(path, config_of(settings, *files).encode())
    command = [str(BINARY), "databases", "-config", str(path)]
    done = subprocess.run(
        command, env=dict(target_of(settings).environment), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_default_is_a_folder_beside_the_data(tmp_path: Path) -> None:
    target = target_of(Settings(data=str(tmp_path)))
    assert target.shown == str(tmp_path / "replica")
    assert target.url_of("main") == f"file://{tmp_path}/replica/main"
    assert Settings().replicates
    assert not Settings(replica="off").replicates


@pytest.mark.parametrize(
    ("place", "url", "shown"),
    [
        ("s3://bucket/chat", "s3://bucket/chat/main", "s3://bucket/chat"),
        ("s3://bucket", "s3://bucket/main", "s3://bucket"),
        ("s3://bucket/chat?sign-payload=true", "s3://bucket/chat/main?sign-payload=true", "s3://bucket/chat"),
        ("gs://bucket/a/b/", "gs://bucket/a/b/main", "gs://bucket/a/b/"),
        ("abs://account@container/chat", "abs://account@container/chat/main", "abs://container/chat"),
        ("oss://bucket/chat", "oss://bucket/chat/main", "oss://bucket/chat"),
        ("sftp://me@host:22/chat", "sftp://me@host:22/chat/main", "sftp://host:22/chat"),
        ("webdavs://me@host/chat", "webdavs://me@host/chat/main", "webdavs://host/chat"),
        ("nats://host:4222/bucket", "nats://host:4222/bucket-main", "nats://host:4222/bucket"),
        ("file:///var/copies", "file:///var/copies/main", "/var/copies"),
        ("/var/copies", "file:///var/copies/main", "/var/copies"),
    ],
)
def test_each_file_has_its_place_in_every_kind_of_store(
    tmp_path: Path, place: str, url: str, shown: str
) -> None:
    settings = Settings(data=str(tmp_path), replica=place, replica_secret_access_key=SECRET)
    target = target_of(settings)
    assert (target.url_of("main"), target.shown) == (url, shown)
    table = known_to_litestream(settings, tmp_path, tmp_path / "main.db")
    assert str(tmp_path / "main.db") in table
    assert SECRET not in config_of(settings, tmp_path / "main.db")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"replica": "ftp://host/x"}, "ftp:// is not known"),
        ({"replica": "s3:///path"}, "missing"),
        ({"replica": "sftp://me:hidden@host/x"}, "PALAVER_REPLICA_SECRET_ACCESS_KEY"),
        ({"replica": "s3://bucket", "replica_endpoint": "localhost:9000"}, "https://"),
        ({"replica": "sftp://host/x"}, "sftp://user@host"),
        ({"replica": "nats://host:4222/"}, "chat-main"),
        ({"replica_environment": "no-equals"}, "NAME=value"),
        ({"replica": "sftp://me@host/x", "replica_options": "colour=red"}, "there are key-path, host-key"),
        ({"replica": "s3://bucket", "replica_options": "key-path=/id"}, "no option of s3; there are none"),
        ({"replica": "sftp://me@host/x", "replica_options": "key-path"}, "NAME=value"),
        ({"replica_environment": "A='open"}, "cannot be read"),
    ],
)
def test_refuses_a_place_that_cannot_be_with_words_that_hold_no_password(
    settings: dict[str, str], reason: str
) -> None:
    with pytest.raises(BadSetting) as refused:
        target_of(Settings(**settings))  # type: ignore[arg-type]
    assert reason in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_keys_go_into_the_environment_under_the_names_that_the_store_reads() -> None:
    keys = {"replica_access_key_id": "id-id", "replica_secret_access_key": SECRET}
    environments = {
        place: dict(target_of(Settings(replica=place, **keys)).environment)  # type: ignore[arg-type]
        for place in ("s3://b", "oss://b", "abs://b", "gs://b", "sftp://me@h/p")
    }
    assert environments == {
        "s3://b": {"AWS_ACCESS_KEY_ID": "id-id", "AWS_SECRET_ACCESS_KEY": SECRET},
        "oss://b": {"OSS_ACCESS_KEY_ID": "id-id", "OSS_ACCESS_KEY_SECRET": SECRET},
        "abs://b": {"LITESTREAM_AZURE_ACCOUNT_KEY": SECRET},
        "gs://b": {},
        "sftp://me@h/p": {PASSWORD: json.dumps(SECRET)[1:-1]},
    }


def test_what_is_added_stands_beside_the_address_in_words_that_litestream_knows(tmp_path: Path) -> None:
    told = {
        "sftp://me@host/p": {"key-path": "/etc/a key", "host-key": "ssh-ed25519 AAAA"},
        "nats://host/chat": {"creds": "/etc/creds", "client-cert": "/etc/cert", "client-key": "/etc/key"},
    }
    for place, options in told.items():
        added = " ".join(f"{name}='{value}'" for name, value in options.items())
        settings = Settings(data=str(tmp_path), replica=place, replica_options=added)
        (database,) = json.loads(config_of(settings, tmp_path / "main.db"))["dbs"]
        assert options.items() <= database["replica"].items()
        assert str(tmp_path / "main.db") in known_to_litestream(settings, tmp_path, tmp_path / "main.db")


@pytest.mark.parametrize(("place", "name"), [("abs://box/p", "id-id"), ("abs://mine@box/p", None)])
def test_azures_account_is_the_urls_or_else_the_key(place: str, name: str | None) -> None:
    settings = Settings(replica=place, replica_access_key_id="id-id", replica_secret_access_key="a2V5")
    (database,) = json.loads(config_of(settings, Path("/main.db")))["dbs"]
    assert database["replica"].get("account-name") == name


def test_only_the_password_is_a_variable_whatever_dollars_a_path_holds(tmp_path: Path) -> None:
    file = tmp_path / "$HOME ${PATH}" / "main.db"
    settings = Settings(data=str(tmp_path), replica="sftp://me@host/p", replica_secret_access_key=SECRET)
    text = config_of(settings, file)
    assert text.count("$") == 1
    assert f'"${{{PASSWORD}}}"' in text
    assert str(file) in known_to_litestream(settings, tmp_path, file)


def test_says_what_the_settings_say(tmp_path: Path) -> None:
    settings = Settings(
        data=str(tmp_path), replica="s3://b/p", replica_endpoint="https://store", replica_region="here",
        replica_path_style="no", replica_sync_s=0.5, replica_snapshot_h=2, replica_retention_h=48,
        replica_fine_m=10, log_level="warning",
    )  # fmt: skip
    config = json.loads(config_of(settings, tmp_path / "main.db"))
    assert config["snapshot"] == {"interval": "2h", "retention": "48h"}
    assert config["l0-retention"] == "10m"
    assert config["socket"] == {"enabled": True, "path": "/run/socket", "permissions": 0o600}
    assert config["logging"] == {"level": "info", "type": "json", "stderr": True}
    assert "addr" not in config
    (database,) = config["dbs"]
    assert (database["path"], database["monitor-interval"]) == (str(tmp_path / "main.db"), "0.5s")
    assert database["truncate-page-n"] * PAGE_BYTES > 10**10
    assert database["replica"] == {
        "url": "s3://b/p/main", "endpoint": "https://store", "region": "here", "force-path-style": False,
        "auto-recover": False, "sync-interval": "0.5s",
    }  # fmt: skip


@pytest.mark.parametrize(
    "config",
    [{"snyc-interval": "1s"}, {"dbs": [{"path": "x", "monitor_interval": "1s"}]}, {"socket": {"mode": 1}}],
)
def test_a_key_that_litestream_would_ignore_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(UnknownKey):
        check(config)


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for text in (b"one", b"two"):
        write(path, text)
        assert path.read_bytes() == text
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
