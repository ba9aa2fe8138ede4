"""Where `palaver tail` looks for a server that nobody named."""

from __future__ import annotations

import pytest

from chat.settings import Settings
from ops.tail.address import default_url
from ops.tail.connection import socket_url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8123"),
        ("0.0.0.0", "http://127.0.0.1:8123"),  # noqa: S104 - nothing listens there
        ("", "http://127.0.0.1:8123"),
        ("::", "http://[::1]:8123"),
        ("fe80::1", "http://[fe80::1]:8123"),
        ("chat.example", "http://chat.example:8123"),
    ],
)
def test_the_address_is_where_the_settings_have_the_server_listen(host: str, url: str) -> None:
    found = default_url(Settings.from_environment({"PALAVER_HOST": host, "PALAVER_PORT": "8123"}))
    assert found == url
    assert socket_url(found)
