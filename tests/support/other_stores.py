"""Real servers of the kinds of store that are not S3: SFTP and WebDAV by rclone, NATS, and Google's by an emulator."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from wsgidav.wsgidav_app import WsgiDAVApp

from tests.support.ports import LOOPBACK, free_port
from tests.support.process import Process, installed
from tests.support.waiting import STEP_S

USER = "luna"
# A dollar sign begins a variable in Litestream's configuration, and a quote ends a string.
PASSWORD = 'a "hidden" $HOME pa$$word'
BUCKET = "chat"


@dataclass(frozen=True)
class OtherStore:
    """A running server, and the settings of one that replicates to it."""

    settings: dict[str, object]
    close: Callable[[], None]


async def sftp_by_password(folder: Path) -> OtherStore:
    """Serve SFTP to who knows the password, and tell the server's key."""
    return await _sftp(folder, by_key=False)


async def sftp_by_key(folder: Path) -> OtherStore:
    """Serve SFTP to who has the key's file, and tell the server's key."""
    return await _sftp(folder, by_key=True)


async def webdav(folder: Path) -> OtherStore:
    """Serve WebDAV; this one knows no conditions on writes."""
    command, port = _rclone("webdav", folder)
    process = await Process.start(command, port, folder / "log", _credentials())
    place = f"webdav://{USER}@{LOOPBACK}:{port}/deep/chat"
    return OtherStore({"replica": place, "replica_secret_access_key": PASSWORD}, process.close)


def conditional_webdav(folder: Path) -> OtherStore:
    """Serve WebDAV from a thread by WsgiDAV, which heeds conditions, and wants a digest of the password."""
    folder.mkdir()
    users = {"*": {USER: {"password": PASSWORD}}}
    digest = {"accept_basic": False, "accept_digest": True, "default_to_digest": True}
    application = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(folder)},
            "simple_dc": {"user_mapping": users},
            "http_authenticator": digest,
            "logging": {"enable": False},
        }
    )

    def whole(environ: Any, start_response: Any) -> Any:
        # The standard library's server hands on the connection itself, whose end does not come.
        length = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        return application(environ, start_response)

    server = make_server(LOOPBACK, 0, whole, handler_class=_Silent)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": STEP_S})
    thread.start()

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    place = f"webdav://{USER}@{LOOPBACK}:{server.server_port}/a%20folder/chat"
    return OtherStore({"replica": place, "replica_secret_access_key": PASSWORD}, close)


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Write no line for each request."""


async def nats(folder: Path) -> OtherStore:
    """Serve NATS with the bucket of main.db, which an operator makes by `nats object add chat-main`."""
    folder.mkdir()
    port = free_port()
    told = {
        "listen": f"{LOOPBACK}:{port}",
        "jetstream": {"store_dir": str(folder)},
        "authorization": {"user": USER, "password": PASSWORD},
    }
    config = folder / "nats.conf"
    config.write_text(json.dumps(told))
    process = await Process.start([installed("nats-server"), "--config", str(config)], port, folder / "log")
    _make_bucket(port, f"{BUCKET}-main")
    place = f"nats://{USER}@{LOOPBACK}:{port}/{BUCKET}"
    return OtherStore({"replica": place, "replica_secret_access_key": PASSWORD}, process.close)


async def google(folder: Path) -> OtherStore:
    """Emulate Google's store with one bucket; it knows nothing of credentials, nor of the lease's interface."""
    folder.mkdir()
    port = free_port()
    options = ["--host", LOOPBACK, "--port", str(port), "--in-memory", "--default-bucket", BUCKET]
    command = [installed("gcp-storage-emulator"), "start", *options]
    process = await Process.start(command, port, folder / "log")
    emulated = f"STORAGE_EMULATOR_HOST=http://{LOOPBACK}:{port}"
    return OtherStore({"replica": f"gs://{BUCKET}/chat", "replica_environment": emulated}, process.close)


async def _sftp(folder: Path, *, by_key: bool) -> OtherStore:
    command, port = _rclone("sftp", folder)
    keys = folder.with_name(f"{folder.name}-keys")
    keys.mkdir()
    command += ["--key", str(keys / "server")]
    host_key, user_key = _key(keys / "server"), _key(keys / "user")
    options = f"host-key='{host_key}'"
    settings: dict[str, object] = {"replica": f"sftp://{USER}@{LOOPBACK}:{port}/deep/chat"}
    if by_key:
        (keys / "authorized").write_text(user_key)
        command += ["--authorized-keys", str(keys / "authorized")]
        options += f" key-path={keys / 'user'}"
    else:
        settings["replica_secret_access_key"] = PASSWORD
    credentials = {} if by_key else _credentials()
    process = await Process.start(command, port, folder / "log", credentials)
    return OtherStore({**settings, "replica_options": options}, process.close)


def _rclone(kind: str, folder: Path) -> tuple[list[str], int]:
    folder.mkdir()
    (folder / "served").mkdir()
    port = free_port()
    return [installed("rclone"), "serve", kind, str(folder / "served"), "--addr", f"{LOOPBACK}:{port}"], port


def _credentials() -> dict[str, str]:
    return {"RCLONE_USER": USER, "RCLONE_PASS": PASSWORD}


def _key(path: Path) -> str:
    """Write a private key in SSH's form, and return the public one."""
    key, encoding = Ed25519PrivateKey.generate(), serialization.Encoding
    path.write_bytes(
        key.private_bytes(encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    )
    path.chmod(0o600)
    return key.public_key().public_bytes(encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def _make_bucket(port: int, name: str) -> None:
    """Make an object store's bucket, which is a stream with two subjects, as the `nats` tool does."""
    stream = {
        "name": f"OBJ_{name}",
        "subjects": [f"$O.{name}.C.>", f"$O.{name}.M.>"],
        "allow_rollup_hdrs": True,
        "allow_direct": True,
        "discard": "new",
    }
    body = json.dumps(stream).encode()
    with socket.create_connection((LOOPBACK, port)) as connection, connection.makefile("rwb") as wire:
        wire.readline()  # INFO
        login = {"verbose": False, "user": USER, "pass": PASSWORD}
        wire.write(b"CONNECT %s\r\nSUB answer 1\r\n" % json.dumps(login).encode())
        wire.write(b"PUB $JS.API.STREAM.CREATE.OBJ_%s answer %d\r\n%s\r\n" % (name.encode(), len(body), body))
        wire.flush()
        wire.readline()  # MSG, how long
        answer = json.loads(wire.readline())
    if "error" in answer:
        raise RuntimeError(f"no bucket: {answer['error']}")
