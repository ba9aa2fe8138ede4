from __future__ import annotations

import pytest

from chat.endpoints.origins import origin_allowed
from chat.settings import BadSetting, Settings

LISTED = Settings(allowed_origins="https://chat.example, http://localhost:5173/,capacitor://localhost")
NONE_LISTED = Settings()
ALL = Settings(allowed_origins="*")
HOST = "palaver.example"


@pytest.mark.parametrize(
    "origin",
    [
        "https://chat.example",
        "https://chat.example:443",
        "HTTPS://CHAT.EXAMPLE",
        "http://localhost:5173",
        "capacitor://localhost",
    ],
)
def test_a_listed_origin_is_allowed_however_it_is_spelt(origin: str) -> None:
    assert origin_allowed(origin, HOST, LISTED)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "*",
        "chat.example",
        "http://chat.example",
        "https://chat.example:8443",
        "https://chat.example.evil.test",
        "https://evil-chat.example",
        "https://evil.test/https://chat.example",
        "https://chat.example@evil.test",
        "https://chat.example:443@evil.test",
        "https://chat.example/",
        "https://chat.example#",
        "https://chat.example\n",
        " https://chat.example",
        "https://chat.example https://evil.test",
        "https://chat.example:99999",
        "https://cháṭ.example",
        "http://localhost",
        "file://",
    ],
)
def test_null_other_origins_and_look_alikes_are_refused(origin: str) -> None:
    assert not origin_allowed(origin, HOST, LISTED)
    assert not origin_allowed(origin, HOST, NONE_LISTED)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://palaver.example", "palaver.example"),
        ("https://palaver.example", "palaver.example"),
        ("https://palaver.example", "Palaver.example:443"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_the_servers_own_origin_is_always_allowed(origin: str, host: str) -> None:
    assert origin_allowed(origin, host, NONE_LISTED)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://palaver.example:8001", "palaver.example:8000"),
        ("http://palaver.example", "palaver.example:8000"),
        ("https://palaver.example", "palaver.example:80"),
        ("capacitor://palaver.example", "palaver.example"),
        ("http://palaver.example", ""),
        ("http://palaver.example", "palaver.example, evil.test"),
        ("http://evil.test", "palaver.example"),
    ],
)
def test_another_host_or_port_is_not_the_servers_own(origin: str, host: str) -> None:
    assert not origin_allowed(origin, host, NONE_LISTED)


def test_a_star_allows_every_origin_but_not_null() -> None:
    assert origin_allowed("https://anything.test", HOST, ALL)
    assert not origin_allowed("null", HOST, ALL)


@pytest.mark.parametrize("entry", ["chat.example", "https://chat.example/app", "null", "https://*.example"])
def test_a_list_with_something_else_than_origins_is_refused_by_its_name(entry: str) -> None:
    with pytest.raises(BadSetting, match="PALAVER_ALLOWED_ORIGINS"):
        origin_allowed("https://chat.example", HOST, Settings(allowed_origins=entry))
